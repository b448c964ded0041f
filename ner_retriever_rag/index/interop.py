"""Conversion of LangChain and LlamaIndex documents, without importing either framework.

Their objects are recognized by the module of their class or of one of its base classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ner_retriever_rag.schema import Document, DocumentMatch, MentionMatch
from ner_retriever_rag.storage.metadata import storable
from ner_retriever_rag.storage.values import encoded

# Metadata key under which a node is stored as JSON.
NODE = "document-only:llama-index"


def is_langchain(value: object) -> bool:
    """Whether a value is a LangChain document."""
    return _comes_from(value, "langchain_core.documents", "Document")


def is_llama_index(value: object) -> bool:
    """Whether a value is a LlamaIndex node; its documents are nodes, too."""
    return _comes_from(value, "llama_index.core.schema", "BaseNode")


def is_document(value: object) -> bool:
    """Whether a value is a document, ours or a framework's."""
    return isinstance(value, Document) or is_langchain(value) or is_llama_index(value)


def is_blank(value: Any) -> bool:
    """Whether a value is a string or a framework's document that is empty or only whitespace."""
    if is_langchain(value):
        value = value.page_content
    elif is_llama_index(value):
        value = value.get_content(metadata_mode="none")
    return isinstance(value, str) and not value.strip()


def is_result(value: object) -> bool:
    """Whether a value is a result of a retriever of either framework."""
    return is_langchain(value) or _comes_from(value, "llama_index.core.schema", "NodeWithScore")


def as_match(result: Any) -> DocumentMatch:
    """Convert a retriever's result to a match; only our retrievers' results have mentions."""
    if is_langchain(result):
        metadata = dict(result.metadata)
        doc_id, score, rows = (metadata.pop(key, None) for key in ("doc_id", "score", "matches"))
        document = Document(result.page_content, doc_id or result.id, metadata)
    else:
        text = result.node.get_content(metadata_mode="none")
        document = Document(text, result.node.node_id, result.node.metadata)
        score, rows = result.score, getattr(result, "matches", None)
    matches = [
        MentionMatch(
            document.id, row["text"], row["start"], row["end"], row["score"], math.nan,
            row.get("type", ""),
        )
        for row in rows or []
    ]  # fmt: skip
    return DocumentMatch(document, math.nan if score is None else float(score), matches)


def _comes_from(value: object, module: str, name: str) -> bool:
    return any(
        each.__name__ == name and each.__module__.startswith(module) for each in type(value).__mro__
    )


def from_langchain(document: Any) -> Document:
    """Convert a LangChain document, with its metadata.

    Without an id, it gets one derived from both text and metadata, since several chunks may have
    the same text.

    Raises:
        ValueError: If it has no text.
    """
    doc_id = document.id
    if doc_id is None:
        content = json.dumps(
            [document.page_content, document.metadata], sort_keys=True, default=_as_json
        )
        doc_id = sha256(content.encode()).hexdigest()[:32]
    return Document(document.page_content, doc_id, document.metadata)


def _as_json(value: object) -> Any:
    """Replace a value that JSON does not support, with the same result in every process."""
    return encoded(value) if isinstance(value, set | frozenset) else str(value)


def from_llama_index(node: Any) -> Document:
    """Convert a LlamaIndex node.

    The node itself is stored along as JSON, without its embedding and its text. Filters apply to
    its metadata, with ``ref_doc_id`` added; entries that Chroma cannot store are returned with the
    node, but cannot be filtered on.

    Raises:
        ValueError: If it has no text.
    """
    text = node.get_content(metadata_mode="none")
    if not text.strip():
        raise ValueError(f"node {node.node_id!r} has no text")
    metadata = {key: value for key, value in node.metadata.items() if storable(key, value)}
    if node.ref_doc_id:
        metadata["ref_doc_id"] = node.ref_doc_id  # an entry of this name is kept in the node
    content = node.model_dump(mode="json", exclude={"embedding"})
    for holder in text_holders(content):
        if holder.get("text") == text:
            holder["text"] = None  # stored only once, as the document's text
    metadata[NODE] = json.dumps(content, ensure_ascii=False)
    return Document(text, node.node_id, metadata)


def text_holders(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a node's JSON that may hold its text: the node, its text resource, or both."""
    return [content, content.get("text_resource") or {}]  # type: ignore[list-item]
