"""Queries: one type or several, types by example, topics, taxonomies."""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.queries.query import AllOf, AnyOf, Like, Not, Query
    from ner_retriever_rag.queries.refining import refine
    from ner_retriever_rag.queries.taxonomy import Taxonomy

_LAZY_IMPORTS = {
    "AllOf": "query",
    "AnyOf": "query",
    "Like": "query",
    "Not": "query",
    "Query": "query",
    "Taxonomy": "taxonomy",
    "refine": "refining",
}

__all__ = [
    "AllOf",
    "AnyOf",
    "Like",
    "Not",
    "Query",
    "Taxonomy",
    "refine",
]

__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
