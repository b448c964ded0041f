"""LlamaIndex adapter: retriever, postprocessor, pipeline steps, agent tool, question parsing."""

from ner_retriever_rag.llama_index.agents import create_entity_type_tool, render_context
from ner_retriever_rag.llama_index.events import NoTypeEvent
from ner_retriever_rag.llama_index.nodes import MatchedNode
from ner_retriever_rag.llama_index.postprocessor import EntityTypePostprocessor
from ner_retriever_rag.llama_index.queries import AnswerType, TypeQuery
from ner_retriever_rag.llama_index.retriever import NERTypeRetriever
from ner_retriever_rag.llama_index.tagger import EntityTypeTagger
from ner_retriever_rag.llama_index.writer import EntityIndexWriter

__all__ = [
    "AnswerType",
    "EntityIndexWriter",
    "EntityTypePostprocessor",
    "EntityTypeTagger",
    "MatchedNode",
    "NERTypeRetriever",
    "NoTypeEvent",
    "TypeQuery",
    "create_entity_type_tool",
    "render_context",
]
