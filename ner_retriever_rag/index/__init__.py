"""The index: documents in, documents that mention a type of entity out; stored in Chroma.

Names load on first use: importing this package brings in no chromadb.
"""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.index.entity_index import EntityIndex
    from ner_retriever_rag.index.render import show
    from ner_retriever_rag.index.sharded_index import ShardedIndex

_HOMES = {
    "EntityIndex": "entity_index",
    "ShardedIndex": "sharded_index",
    "show": "render",
}

__all__ = [
    "EntityIndex",
    "ShardedIndex",
    "show",
]

__getattr__ = loader(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
