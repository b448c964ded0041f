"""The index: add documents, retrieve those that mention a type of entity; stored in Chroma.

Names are imported lazily: importing this package does not import chromadb.
"""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.index.entity_index import EntityIndex
    from ner_retriever_rag.index.render import show
    from ner_retriever_rag.index.sharded_index import ShardedIndex

_LAZY_IMPORTS = {
    "EntityIndex": "entity_index",
    "ShardedIndex": "sharded_index",
    "show": "render",
}

__all__ = [
    "EntityIndex",
    "ShardedIndex",
    "show",
]

__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
