"""What LangChain's retriever and document index over an ``EntityIndex`` share."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import run_in_executor
from pydantic import ConfigDict, Field

from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.langchain.conversion import match_to_langchain
from ner_retriever_rag.queries.query import is_combined
from ner_retriever_rag.questions.questions import asked_for

# The fields that are keywords of a search, too.
_OPTIONS = (
    "k", "where", "score_threshold", "about", "topic_weight", "offset", "max_matches", "sharpen",
    "exact",
)  # fmt: skip


class TypeSearching(BaseRetriever):
    """Fields, and a search by them."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    index: EntityIndex
    """Where to look."""
    k: int | None = Field(default=4, gt=0)
    """How many documents at most; None for all above the threshold."""
    where: dict[str, Any] | None = None
    """Chroma filter on the documents' metadata."""
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    """Least score of a document; None for no bound, or 0.5 where ``k`` is None."""
    about: str | None = None
    """What the documents should be about, beside the type."""
    topic_weight: float | None = Field(default=None, ge=0, le=1)
    """How much the topic counts; None for the index's default. Only used with ``about``."""
    offset: int = Field(default=0, ge=0)
    """How many of the best documents to pass over: the next page of a result."""
    max_matches: int | None = Field(default=None, gt=0)
    """How many of a document's mentions are listed at most, the best; None for all."""
    sharpen: bool = True
    """Let mentions found say something of one another: feedback, smoothing, prevalence shift."""
    exact: bool = False
    """Compare with every mention, in a large index too, and look at every text for a topic."""
    metadata_prefix: str = ""
    """What the metadata keys ``doc_id``, ``score`` and ``matches`` of results begin with."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return self._search(query, **kwargs)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return await run_in_executor(None, self._search, query, **kwargs)

    def _search(self, query: Any, **kwargs: Any) -> list[Document]:
        """Search with the retriever's fields, any of which a call may override."""
        fields = {name: getattr(self, name) for name in _OPTIONS}
        if unknown := kwargs.keys() - fields.keys():
            raise TypeError(
                f"unknown argument {', '.join(sorted(unknown))}: a call takes {', '.join(fields)}"
            )
        query, fields["about"] = asked_for(query, self.about)
        if query is None:
            return []
        asked = fields | kwargs
        if asked["about"] in (None, "") and "topic_weight" not in kwargs:
            asked["topic_weight"] = None  # the field waits for a call with a topic
        return [
            match_to_langchain(match, self.metadata_prefix, with_type=is_combined(query))
            for match in self.index.search(query, **asked)
        ]

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        params = super()._get_ls_params(**kwargs)
        return LangSmithRetrieverParams(
            **params,
            ls_vector_store_provider="Chroma",
            ls_embedding_provider="ner_retriever_rag",
            ls_embedding_model=self.index.encoder.description,
        )
