"""LangChain adapter: a retriever, a document index, a filter for other retrievers' results."""

from ner_retriever_rag.langchain.document_index import EntityDocumentIndex
from ner_retriever_rag.langchain.filter import EntityTypeFilter
from ner_retriever_rag.langchain.retriever import NERTypeRetriever

__all__ = ["EntityDocumentIndex", "EntityTypeFilter", "NERTypeRetriever"]
