"""Base class shared by the LangChain retriever and document index over an ``EntityIndex``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import Runnable, run_in_executor
from pydantic import ConfigDict, Field, model_validator

from ner_retriever_rag._keywords import keyword_error
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.langchain.conversion import match_to_langchain
from ner_retriever_rag.queries.query import is_combined
from ner_retriever_rag.questions.questions import NO_TYPE, ParsedQuestion, query_and_topic

NO_TYPE_EVENT = "ner_retriever_no_type"
_log = logging.getLogger(__name__)
# Fields that are also keywords of a search.
_OPTIONS = (
    "k", "where", "score_threshold", "about", "topic_weight", "offset", "max_matches", "sharpen",
    "exact", "rerank", "named",
)  # fmt: skip


class BaseTypeRetriever(BaseRetriever):
    """The search options as fields, and retrieval with them."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    index: EntityIndex
    """The index to search."""
    k: int | None = Field(default=4, gt=0)
    """Maximum number of documents; None for all above the threshold."""
    where: dict[str, Any] | None = None
    """Chroma filter on the documents' metadata."""
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    """Minimum score of a document; None for no threshold or, if ``k`` is None, for the one with
    the best expected F1."""
    about: str | None = None
    """What the documents should be about, in addition to the type."""
    topic_weight: float | None = Field(default=None, ge=0, le=1)
    """How much the topic counts; None for the index's default. Only used with ``about``."""
    offset: int = Field(default=0, ge=0)
    """How many of the best documents to skip, for the next page of a result."""
    max_matches: int | None = Field(default=None, gt=0)
    """Maximum number of mentions listed per document, the best; None for all."""
    sharpen: bool = True
    """Smooth scores over neighboring mentions."""
    exact: bool = False
    """Compare with every mention even in a large index, and with every text for a topic."""
    rerank: int | None = Field(default=None, ge=0)
    """How many of the best mentions the pair model reranks; None for 30, or 150 if more results may
    be returned, 0 for none."""
    named: bool | None = None
    """Whether names are wanted rather than common nouns; None to decide from the best
    candidates."""
    metadata_prefix: str = ""
    """Prefix of the metadata keys ``doc_id``, ``score`` and ``matches`` of results."""

    fallback: Runnable[Any, list[Document]] | None = None
    """Another retriever, for questions (from ``AnswerType``) that ask for no type of entity; with
    None the result is empty. Either way the trace gets an event ``ner_retriever_no_type``."""

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            message = keyword_error(cls.__name__, given, list(cls.model_fields))
            if message:
                raise ValueError(message)
        return given

    def _get_relevant_documents(
        self, query: Any, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        if not _has_no_type(query):
            return self._search(query, **kwargs)
        config: Any = {"callbacks": run_manager.get_child()}
        dispatch_custom_event(NO_TYPE_EVENT, self._no_type(query), config=config)
        return self.fallback.invoke(query.question, config) if self.fallback else []

    async def _aget_relevant_documents(
        self, query: Any, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        if not _has_no_type(query):
            return await run_in_executor(None, self._search, query, **kwargs)
        config: Any = {"callbacks": run_manager.get_child()}
        await adispatch_custom_event(NO_TYPE_EVENT, self._no_type(query), config=config)
        return await self.fallback.ainvoke(query.question, config) if self.fallback else []

    def _no_type(self, parsed: ParsedQuestion) -> dict[str, Any]:
        """Log that a question has no type, and return the data of the trace event."""
        _log.log(logging.INFO if self.fallback else logging.WARNING, NO_TYPE, parsed.question)
        return {"question": parsed.question, "fallback": self.fallback is not None}

    def _search(self, query: Any, **kwargs: Any) -> list[Document]:
        """Search with the retriever's fields, any of which a call can override."""
        fields = {name: getattr(self, name) for name in _OPTIONS}
        if message := keyword_error("a call", kwargs, fields):
            raise TypeError(message)
        query, fields["about"] = query_and_topic(query, self.about)
        options = fields | kwargs
        if options["about"] in (None, "") and "topic_weight" not in kwargs:
            options["topic_weight"] = None  # the field only applies to calls with a topic
        return [
            match_to_langchain(match, self.metadata_prefix, with_type=is_combined(query))
            for match in self.index.search(query, **options)
        ]

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        params = super()._get_ls_params(**kwargs)
        return LangSmithRetrieverParams(
            **params,
            ls_vector_store_provider="Chroma",
            ls_embedding_provider="ner_retriever_rag",
            ls_embedding_model=self.index.encoder.description,
        )


def _has_no_type(query: Any) -> bool:
    return isinstance(query, ParsedQuestion) and query.type is None
