"""LangChain adapter: a retriever, a document index, a filter, and what a question asks for."""

from ner_retriever_rag.langchain.answer_type import AnswerType
from ner_retriever_rag.langchain.document_index import EntityDocumentIndex
from ner_retriever_rag.langchain.filter import EntityTypeFilter
from ner_retriever_rag.langchain.retriever import NERTypeRetriever

__all__ = ["AnswerType", "EntityDocumentIndex", "EntityTypeFilter", "NERTypeRetriever"]
