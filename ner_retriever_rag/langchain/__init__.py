"""LangChain adapter: retriever, document index, filter, agent tool, question parsing."""

from ner_retriever_rag.langchain.agents import create_entity_type_tool, render_context
from ner_retriever_rag.langchain.answer_type import AnswerType
from ner_retriever_rag.langchain.conversion import merge_results
from ner_retriever_rag.langchain.document_index import EntityDocumentIndex
from ner_retriever_rag.langchain.filter import EntityTypeFilter
from ner_retriever_rag.langchain.retriever import NERTypeRetriever

__all__ = [
    "AnswerType",
    "EntityDocumentIndex",
    "EntityTypeFilter",
    "NERTypeRetriever",
    "create_entity_type_tool",
    "merge_results",
    "render_context",
]
