"""Write an ingestion pipeline's nodes into an index."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from llama_index.core.bridge.pydantic import Field
from llama_index.core.schema import BaseNode, TransformComponent

from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.llama_index.nodes import text_of, to_document

_SOURCES = 1_000  # source documents per filter
_log = logging.getLogger(__name__)


class EntityIndexWriter(TransformComponent):
    """Writes the nodes of a pipeline into an index, and passes them on.

    Nodes that already exist unchanged are skipped, and so are nodes without text. A
    pipeline's cache never replaces the call: it runs every time.

    Example:
        .. code-block:: python

            IngestionPipeline(transformations=[SentenceSplitter(), EntityIndexWriter(index=index)])
    """

    index: EntityIndex = Field(exclude=True, description="The index to write to.")
    replace: bool = Field(
        default=False,
        description="Delete nodes in the index that share a source document with the nodes "
        "written but are not among them: what is left of an earlier version.",
    )

    @classmethod
    def class_name(cls) -> str:
        """Name in serialized components."""
        return "EntityIndexWriter"

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Serialize for the pipeline's cache key: different each time, since a write must run."""
        return {**super().to_dict(**kwargs), "call": uuid4().hex}

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Write the nodes and return them."""
        documents = [to_document(node) for node in nodes if text_of(node).strip()]
        report = self.index.add(documents)
        if self.replace:  # last, so that a failed run leaves the existing nodes
            self._delete_others(nodes)
        _log.info("%d of %d nodes have text: %s", len(documents), len(nodes), report)
        return nodes

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Call the writer without blocking the event loop."""
        return await asyncio.to_thread(self.__call__, nodes, **kwargs)

    def _delete_others(self, nodes: Sequence[BaseNode]) -> None:
        sources = sorted({node.ref_doc_id for node in nodes if node.ref_doc_id})
        kept = {node.node_id for node in nodes}
        for start in range(0, len(sources), _SOURCES):
            some = sources[start : start + _SOURCES]
            there = self.index.documents(where={"ref_doc_id": {"$in": some}})
            self.index.delete([each.id for each in there if each.id not in kept])
