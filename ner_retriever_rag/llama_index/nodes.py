"""Conversion between LlamaIndex's nodes and the package's documents."""

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
from llama_index.core.vector_stores.utils import metadata_dict_to_node

from ner_retriever_rag.index.interop import NODE, from_llama_index, text_holders
from ner_retriever_rag.schema import Document, DocumentMatch, type_name

_NODE_TYPES: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, Node, IndexNode, ImageNode, SourceDocument)
}


class MatchedNode(NodeWithScore):
    """A node with its score and the mentions it is based on.

    Attributes:
        matches: The matching mentions, best first: ``{"text", "start", "end", "score"}``, with
            several types also ``"type"``. Offsets refer to the node's text without metadata.
    """

    matches: list[dict[str, Any]] = []

    @classmethod
    def class_name(cls) -> str:
        """Name in serialized components."""
        return "MatchedNode"


def text_of(node: BaseNode) -> str:
    """Return a node's text without metadata, which the offsets of mentions refer to."""
    return node.get_content(metadata_mode=MetadataMode.NONE)


def to_document(node: BaseNode) -> Document:
    """Convert a node to a document to index; see :mod:`~ner_retriever_rag.index.interop`.

    Raises:
        TypeError: If ``node`` is not a node.
        ValueError: If it has no text.
    """
    if not isinstance(node, BaseNode):
        raise TypeError(
            f"nodes must be of llama_index.core.schema.BaseNode, not of {type_name(node)}"
        )
    return from_llama_index(node)


def to_node(document: Document) -> BaseNode:
    """Return the node a document was made from, or a new ``TextNode`` if it was not a node."""
    stored = document.metadata.get(NODE)
    if stored is None and "_node_content" in document.metadata:  # from one of LlamaIndex's stores
        return metadata_dict_to_node(dict(document.metadata), document.text)
    if stored is None:
        return TextNode(id_=document.id, text=document.text, metadata=dict(document.metadata))
    content = json.loads(stored)
    kind = _NODE_TYPES.get(content["class_name"], TextNode)
    for holder in text_holders(content):
        if holder.get("text", "") is None:
            holder["text"] = document.text
    return kind.from_dict(content)


def matched_node(node: BaseNode, match: DocumentMatch, *, with_type: bool) -> MatchedNode:
    """Combine a node and its document match into a node with score.

    Args:
        node: The matching node.
        match: Its match.
        with_type: Label each match with its type.
    """
    rows = [each.as_row(with_type=with_type) for each in match.matches]
    return MatchedNode(node=node, score=match.score, matches=rows)
