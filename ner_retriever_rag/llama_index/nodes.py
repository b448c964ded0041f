"""Between LlamaIndex's nodes and the package's documents."""

from __future__ import annotations

import json
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeWithScore,
    TextNode,
)
from llama_index.core.schema import Document as SourceDocument

from ner_retriever_rag.index.metadata import DOCUMENT_ONLY, storable
from ner_retriever_rag.schema import Document, DocumentMatch

_NODE = f"{DOCUMENT_ONLY}llama-index"
_KINDS: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, Node, IndexNode, ImageNode, SourceDocument)
}


class MatchedNode(NodeWithScore):
    """A node with its score and the mentions that say why.

    Attributes:
        matches: The mentions found, best first: ``{"text", "start", "end", "score"}``, with
            several types also ``"type"``. They count characters in the node's bare text.
    """

    matches: list[dict[str, Any]] = []

    @classmethod
    def class_name(cls) -> str:
        """Name in serialised components."""
        return "MatchedNode"


def text_of(node: BaseNode) -> str:
    """A node's bare text, which mentions are counted in."""
    return node.get_content(metadata_mode=MetadataMode.NONE)


def to_document(node: BaseNode) -> Document:
    """A node as a document to index.

    The node itself goes along as JSON, without its embedding. Its metadata are what filters see,
    with ``ref_doc_id`` added; entries that Chroma cannot store come back, but cannot be filtered
    on.

    Raises:
        TypeError: If it is no node.
        ValueError: If it has no text.
    """
    if not isinstance(node, BaseNode):
        raise TypeError(f"nodes must be LlamaIndex nodes, not {type(node).__name__}")
    if not text_of(node).strip():
        raise ValueError(f"node {node.node_id!r} has no text")
    metadata = {key: value for key, value in node.metadata.items() if storable(key, value)}
    if node.ref_doc_id:
        metadata.setdefault("ref_doc_id", node.ref_doc_id)
    content = node.model_dump(mode="json", exclude={"embedding"})
    metadata[_NODE] = json.dumps(content, ensure_ascii=False)
    return Document(text_of(node), node.node_id, metadata)


def to_node(document: Document) -> BaseNode:
    """The node a document was made from; a new ``TextNode`` for one that came another way."""
    stored = document.metadata.get(_NODE)
    if stored is None:
        return TextNode(id_=document.id, text=document.text, metadata=dict(document.metadata))
    content = json.loads(stored)
    return _KINDS.get(content["class_name"], TextNode).from_dict(content)


def matched_node(node: BaseNode, match: DocumentMatch, *, with_type: bool) -> MatchedNode:
    """A document match as a node with score.

    Args:
        node: The node found.
        match: What was found of it.
        with_type: Label each match with its type.
    """
    rows = [each.as_row(with_type=with_type) for each in match.matches]
    return MatchedNode(node=node, score=match.score, matches=rows)
