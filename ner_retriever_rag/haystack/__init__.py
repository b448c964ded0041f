"""Haystack adapter: a retriever component and the document store it searches."""

from ner_retriever_rag._imports import require

require("haystack", extra="haystack")

from ner_retriever_rag.haystack.document_store import EntityDocumentStore  # noqa: E402
from ner_retriever_rag.haystack.retriever import NERTypeRetriever  # noqa: E402

__all__ = ["EntityDocumentStore", "NERTypeRetriever"]
