"""Retrieval by entity type: find the documents that mention a kind of thing.

The public names are loaded lazily, so ``import ner_retriever_rag`` imports neither torch nor
chromadb.
"""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.encoder import TypeAwareEncoder
    from ner_retriever_rag.index import EntityIndex, ShardedIndex, show
    from ner_retriever_rag.langchain import NERTypeRetriever
    from ner_retriever_rag.queries import AllOf, AnyOf, Like, Not, Taxonomy, refine
    from ner_retriever_rag.schema import (
        AddReport,
        Document,
        DocumentMatch,
        EncodedText,
        Mention,
        MentionMatch,
    )

__version__ = "0.2.0"

_LAZY_IMPORTS = {
    "TypeAwareEncoder": "encoder",
    "EntityIndex": "index",
    "ShardedIndex": "index",
    "NERTypeRetriever": "langchain",
    "AllOf": "queries",
    "AnyOf": "queries",
    "Like": "queries",
    "Not": "queries",
    "Taxonomy": "queries",
    "refine": "queries",
    "show": "index",
    "AddReport": "schema",
    "Document": "schema",
    "DocumentMatch": "schema",
    "EncodedText": "schema",
    "Mention": "schema",
    "MentionMatch": "schema",
}

__all__ = [
    "AddReport",
    "AllOf",
    "AnyOf",
    "Document",
    "DocumentMatch",
    "EncodedText",
    "EntityIndex",
    "Like",
    "Mention",
    "MentionMatch",
    "NERTypeRetriever",
    "Not",
    "ShardedIndex",
    "Taxonomy",
    "TypeAwareEncoder",
    "refine",
    "show",
]


__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
