"""Hints for methods that other libraries' indexes have and this one does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

_RETRIEVER = (
    "the index imports neither framework; NERTypeRetriever(index=index, k=4) of "
    "ner_retriever_rag.langchain makes a LangChain retriever, NERTypeRetriever(index, "
    "similarity_top_k=4) of ner_retriever_rag.llama_index a LlamaIndex one"
)
_ENGINE = (
    "the index imports neither framework; RetrieverQueryEngine.from_args(NERTypeRetriever(index)), "
    "with the retriever of ner_retriever_rag.llama_index, makes a query engine"
)
_SEARCH = 'index.search("dinosaur", k=4) finds documents by the type of entity they mention'
_ADD = "index.add(documents) takes strings and documents: ours, LangChain's and LlamaIndex's"
_HINTS = {
    "as_retriever": _RETRIEVER,
    "as_query_engine": _ENGINE,
    "as_chat_engine": _ENGINE,
    "query": _SEARCH,
    "retrieve": _SEARCH,
    "invoke": _RETRIEVER,
    "similarity_search": _SEARCH,
    "similarity_search_with_score": _SEARCH,
    "add_documents": _ADD,
    "add_texts": _ADD,
    "upsert": _ADD,
    "insert": _ADD,
    "as_tool": "create_entity_type_tool(retriever) of either adapter makes an agent's tool",
    "persist": "EntityIndex(path) keeps what is added; there is nothing to save",
    "save": "EntityIndex(path) keeps what is added; there is nothing to save",
}


class ForeignMethodHints:
    """Raises an error that names the equivalent, for attributes of other libraries' indexes."""

    if not TYPE_CHECKING:  # a type checker would otherwise accept every attribute

        def __getattr__(self, name):  # noqa: ANN001, ANN204
            there = _HINTS.get(name)
            said = f"{type(self).__name__} has no {name!r}" + (f": {there}" if there else "")
            raise AttributeError(said, name=name, obj=self)
