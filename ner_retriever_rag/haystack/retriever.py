"""Retrieval by entity type as a Haystack component."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from ner_retriever_rag.haystack.document_store import EntityDocumentStore, to_haystack
from ner_retriever_rag.haystack.filters import to_where
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.queries.query import AllOf, AnyOf, Like, Not, is_combined
from ner_retriever_rag.schema import DocumentMatch, type_name

# Search keywords that have their own parameter here.
_EXPLICIT = {"self", "query", "k", "where", "score_threshold", "about"}


@component
class NERTypeRetriever:
    """Retrieves the documents that mention entities of a type; the query is the type description.

    Results have the content, id and metadata they were written with, the ``score``
    (probability in [0, 1] of the best mention), and in ``meta["matches"]`` the matching mentions,
    best first: ``{"text", "start", "end", "score"}``, plus ``"type"`` for a query of several types.

    Args:
        document_store: The store to search.
        filters: Haystack filter on the metadata, as far as Chroma supports it.
        top_k: Maximum number of documents; None for all above the threshold.
        score_threshold: Minimum score of a document; None for no threshold or, if ``top_k`` is
            None, for the one with the greatest expected F1.
        about: What the documents should be about, in addition to the type.
        filter_policy: Whether filters passed to ``run`` replace these or are merged with them.
        meta_key: Metadata key for the matching mentions.
        search_options: Other keywords of ``EntityIndex.search``, such as ``{"max_matches": 1}``.

    Raises:
        TypeError: If ``document_store`` is not an ``EntityDocumentStore``, or a search option is
            unknown.
        ValueError: If ``top_k`` is not positive.

    Example:
        .. code-block:: python

            retriever = NERTypeRetriever(EntityDocumentStore("my-index"), top_k=3)
            retriever.run("dinosaur")["documents"]
    """

    def __init__(
        self,
        document_store: EntityDocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int | None = 10,
        score_threshold: float | None = None,
        about: str | None = None,
        filter_policy: FilterPolicy = FilterPolicy.REPLACE,
        meta_key: str = "matches",
        search_options: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(document_store, EntityDocumentStore):
            kind = type_name(document_store)
            raise TypeError(f"document_store must be an EntityDocumentStore, not a {kind}")
        if top_k is not None and top_k <= 0:
            raise ValueError(f"top_k must be positive or None, not {top_k!r}")
        known = inspect.signature(EntityIndex.search).parameters.keys() - _EXPLICIT
        if unknown := (search_options or {}).keys() - known:
            raise TypeError(
                f"unknown search option {', '.join(sorted(unknown))}: the options are "
                f"{', '.join(sorted(known))}"
            )
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.score_threshold = score_threshold
        self.about = about
        self.filter_policy = filter_policy
        self.meta_key = meta_key
        self.search_options = search_options

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component, as Haystack writes it into a pipeline's YAML.

        Raises:
            ValueError: If its store was given an open index.
        """
        data: dict[str, Any] = default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            score_threshold=self.score_threshold,
            about=self.about,
            filter_policy=self.filter_policy.value,
            meta_key=self.meta_key,
            search_options=self.search_options,
        )
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NERTypeRetriever:
        """Create the component that ``to_dict`` describes."""
        given = dict(data.get("init_parameters", {}))
        if isinstance(store := given.get("document_store"), dict):
            given["document_store"] = EntityDocumentStore.from_dict(store)
        if isinstance(policy := given.get("filter_policy"), str):
            given["filter_policy"] = FilterPolicy.from_str(policy)
        retriever: NERTypeRetriever = default_from_dict(cls, {**data, "init_parameters": given})
        return retriever

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str | AllOf | AnyOf | Like | Not,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        score_threshold: float | None = None,
        about: str | None = None,
    ) -> dict[str, list[Document]]:
        """Find the documents that mention entities of a type.

        Args:
            query: The type description, or a combination of several.
            filters: As in the constructor, which supplies the arguments that are not given.
            top_k: As in the constructor; 0 returns nothing.
            score_threshold: As in the constructor.
            about: As in the constructor.

        Returns:
            ``documents``, best first.

        Raises:
            FilterError: If Chroma does not support the filter.
            TypeError: If ``query`` is not a query.
            ValueError: If a value is invalid, or a document already has metadata under
                ``meta_key``.
        """
        if top_k == 0:
            return {"documents": []}
        found = self.document_store.index.search(
            query,
            self.top_k if top_k is None else top_k,
            where=to_where(apply_filter_policy(self.filter_policy, self.filters, filters)),
            score_threshold=self.score_threshold if score_threshold is None else score_threshold,
            about=about or self.about,
            **(self.search_options or {}),
        )
        with_type = is_combined(query)
        return {"documents": [self._result(match, with_type) for match in found]}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str | AllOf | AnyOf | Like | Not,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        score_threshold: float | None = None,
        about: str | None = None,
    ) -> dict[str, list[Document]]:
        """``run`` without blocking the event loop."""
        return await asyncio.to_thread(self.run, query, filters, top_k, score_threshold, about)

    def close(self) -> None:
        """Release the store's folder."""
        self.document_store.close()

    def _result(self, match: DocumentMatch, with_type: bool) -> Document:
        if self.meta_key in match.metadata:
            raise ValueError(
                f"document {match.doc_id!r} has metadata of its own under {self.meta_key!r}, which "
                "is needed for its matches: give the retriever another meta_key"
            )
        rows = [each.as_row(with_type=with_type) for each in match.matches]
        return to_haystack(match.document, score=match.score, **{self.meta_key: rows})
