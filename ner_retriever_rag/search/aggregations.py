"""Operations over all mentions rather than the best: counts, facets, extraction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.search.extraction import extract, extract_in_parts, types_per_chunk
from ner_retriever_rag.search.facets import Facet, count_facets

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.candidates.tables import CurrentTable
    from ner_retriever_rag.encoder.kinds import Kinds
    from ner_retriever_rag.queries.bounds import Bounds
    from ner_retriever_rag.queries.query import AnyOf, Leaf, Query
    from ner_retriever_rag.queries.scoring import ScoredQuery
    from ner_retriever_rag.ranking.query import Wanted
    from ner_retriever_rag.schema import MentionMatch
    from ner_retriever_rag.search.mention_scores import Compared


T = TypeVar("T")


class Aggregations(ABC):
    """The methods of ``Search`` that scan all mentions instead of finding the best."""

    _tables: CurrentTable

    @abstractmethod
    def scored(self, query: Query, table: MentionTable) -> ScoredQuery:
        """Check a query and encode its types."""

    @abstractmethod
    def compare(
        self, table: MentionTable, query: ScoredQuery, bounds: Bounds, wanted: Wanted | None = None
    ) -> Compared:
        """Compare a query's types with all mentions of a table."""

    @abstractmethod
    def allowed(self, table: MentionTable, where: Mapping[str, Any] | None) -> NDArray[np.bool_]:
        """Which documents pass a filter, bool ``(documents,)``."""

    @abstractmethod
    def scores_of_kind(self, kind: int, kinds: Kinds, table: MentionTable) -> NDArray[np.float32]:
        """The scores of all mentions for a kind of a vocabulary, float32 ``(mentions,)``."""

    @abstractmethod
    def drop_stale(
        self, table: MentionTable, found: Iterable[T], document: Callable[[T], int]
    ) -> Iterator[T]:
        """Yield the results whose documents are unchanged since they were encoded."""

    def table_with(self, description: str, doc_ids: Sequence[str]) -> MentionTable:
        """A table to rank a type in, with all mentions of some documents: here, the whole table."""
        return self._tables.current()

    def people(self, table: MentionTable, mentions: NDArray[np.integer]) -> NDArray[np.float32]:
        """The probability that each of some mentions is a person, float32 ``(n,)``."""
        person = self.scored("person", table)
        vectors = np.asarray(table.vectors)[mentions]
        log_odds = person.scales[0].log_odds(person.vectors[0] @ vectors.T)
        found: NDArray[np.float32] = person.scores(log_odds[None])[0]
        return found

    def mention_count(self) -> int:
        """The number of mentions."""
        return len(self._tables.current())

    def facets(self, where: Mapping[str, Any] | None, kinds: Kinds, **options: Any) -> list[Facet]:
        """Count the kinds of entity in documents that pass a filter; see ``EntityIndex.facets``."""
        table = self._tables.current()
        return self._facets_of(table, self.allowed(table, where), kinds, **options)

    def _facets_of(
        self,
        table: MentionTable,
        allowed: NDArray[np.bool_],
        kinds: Kinds,
        **options: Any,
    ) -> list[Facet]:
        """Count the kinds of entity in some documents of a table."""
        scores_of = partial(self.scores_of_kind, kinds=kinds, table=table)
        return count_facets(table, kinds, allowed, scores_of, **options)

    def extract(
        self, types: Sequence[Leaf], bounds: Bounds, **options: bool
    ) -> Iterator[MentionMatch]:
        """Yield every mention of some types, document by document; see ``EntityIndex.extract``."""
        table = self._tables.current()
        return self._extract_rows(
            table, types, bounds, self.allowed(table, bounds.where), **options
        )

    def _extract_rows(
        self,
        table: MentionTable,
        types: Sequence[Leaf],
        bounds: Bounds,
        allowed: NDArray[np.bool_],
        *,
        all_types: bool,
        overlapping: bool,
    ) -> Iterator[MentionMatch]:
        """Yield the mentions of some types in some documents of a table."""

        def rows_of(some: AnyOf, overlapping: bool) -> Iterator[MentionMatch]:
            query = self.scored(some, table)
            return extract(
                table,
                query,
                self.compare(table, query, bounds),
                allowed,
                score_threshold=bounds.threshold,
                all_types=all_types,
                overlapping=overlapping,
            )

        rows = extract_in_parts(
            types,
            rows_of,
            chunk_size=types_per_chunk(len(table)),
            all_types=all_types,
            overlapping=overlapping,
        )
        return self.drop_stale(table, rows, lambda row: table.row_of[row.doc_id])
