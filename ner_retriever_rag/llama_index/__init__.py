"""LlamaIndex adapter: a retriever, a postprocessor, a transformation for ingestion."""

from ner_retriever_rag.llama_index.nodes import MatchedNode
from ner_retriever_rag.llama_index.postprocessor import EntityTypePostprocessor
from ner_retriever_rag.llama_index.retriever import NERTypeRetriever
from ner_retriever_rag.llama_index.tagger import EntityTypeTagger

__all__ = ["EntityTypePostprocessor", "EntityTypeTagger", "MatchedNode", "NERTypeRetriever"]
