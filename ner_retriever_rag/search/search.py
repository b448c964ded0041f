"""Search: encode the types of a query, score mentions, and rank documents by their best mention.

Every type is compared with all mentions of the index in one matrix product
(:mod:`~ner_retriever_rag.candidates.mention_table`); a single type is handled as a combination of
one. For a few results from a large index, only the nearest mentions are compared
(:mod:`~ner_retriever_rag.candidates.nearest`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.candidates.nearest import nearest
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.queries.topic import Topic, check_topic
from ner_retriever_rag.ranking.ordering import best_first
from ner_retriever_rag.ranking.query import Judged, Wanted
from ner_retriever_rag.schema import DocumentMatch, MentionMatch
from ner_retriever_rag.search.aggregations import Aggregations
from ner_retriever_rag.search.judged_types import JudgedTypes
from ner_retriever_rag.search.mention_scores import (
    Compared,
    MentionScores,
    compare,
    scored_query_on_table,
    unlimited_threshold,
)
from ner_retriever_rag.search.reranking import reranker
from ner_retriever_rag.search.topics import with_topic
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.filters import keys_of, warn_of_unknown_keys

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.tables import CurrentTable
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.kinds import Kinds
    from ner_retriever_rag.storage.protocol import DocumentStore
    from ner_retriever_rag.storage.records import StoredDocument

_MIN_FIRST_ROUND = 256  # minimum number of results sorted in the first round
_LOOKUP_BATCH = 64  # results whose documents are looked up together
_SMOOTHED, _SMOOTHED_PER_RESULT = 500, 20  # mentions smoothed in a large index: base, per result
_ON_TOPIC = 100  # top documents that entities with a topic are taken from

T = TypeVar("T")


class Search(Aggregations):
    """Searches an index; ``EntityIndex`` documents the arguments.

    Args:
        store: Stores the documents.
        tables: Provides the table of their mentions.
        encoder: The encoder of the index.

    Attributes:
        judged: Gives the judgments at a revision of the index, by description.
    """

    def __init__(
        self, store: DocumentStore, tables: CurrentTable, encoder: TypeAwareEncoder
    ) -> None:
        self._store, self._tables, self._encoder = store, tables, encoder
        self._rerank = reranker(encoder, self._texts)
        self.judged = JudgedTypes(store).of

    def scored(self, query: Query, table: MentionTable) -> ScoredQuery:
        """Check a query and encode its types."""
        return scored_query_on_table(table, query, self._encoder)

    def documents(
        self,
        queries: Sequence[Query],
        bounds: Bounds,
        about: str | None = None,
        topic_weight: float | None = None,
    ) -> list[list[DocumentMatch]]:
        """The best documents for each query, best first."""
        about = check_topic(about, topic_weight)
        return self._retry_if_stale(
            lambda replaced: self._best_documents(queries, bounds, about, topic_weight, replaced)
        )

    def _best_documents(
        self,
        queries: Sequence[Query],
        bounds: Bounds,
        about: str | None,
        topic_weight: float | None,
        replaced: set[str],
    ) -> list[list[DocumentMatch]]:
        """As ``documents``, from one table; adds the documents replaced meanwhile to a set."""
        table = self._tables.current()
        scored = [self.scored(query, table) for query in queries]
        topics = [
            None if about is None else Topic.encode(about, query, self._encoder, topic_weight)
            for query in queries
        ]
        allowed = self.allowed(table, bounds.where)
        results = []
        for query, topic in zip(scored, topics, strict=True):
            found: list[DocumentMatch] = []
            for part, compared in self._compared(table, query, allowed, bounds, topic):
                found = self._documents(part, query, compared, allowed, bounds, topic, replaced)
                if len(found) == bounds.k:
                    break
            results.append(found)
        return results

    def mentions(self, query: Query, bounds: Bounds) -> list[MentionMatch]:
        """The best mentions, best first; a combination is evaluated for each mention separately."""
        table = self._tables.current()
        scored = self._scored_for_mentions(query, table)
        allowed = self.allowed(table, bounds.where)
        best: list[int] = []
        for part, compared in self._compared(table, scored, allowed, bounds):
            scores = MentionScores(part, scored, compared, allowed[part.owner])
            final = self._with_threshold(scored, bounds, scores.scores[scores.allowed])
            best = self._best_mentions(scores, final)
            if len(best) == bounds.stop:
                break
        return [scores.match(n) for n in best[bounds.offset :]]

    def _best_mentions(self, scores: MentionScores, bounds: Bounds) -> list[int]:
        """The numbers of the best mentions, up to the number wanted."""
        table = scores.table
        best: list[int] = []
        for order in _orders(lambda most: scores.best_first(bounds.floor, most), bounds):
            disjoint = table.non_overlapping(order.tolist())
            current = self.drop_stale(table, disjoint, lambda n: int(table.owner[n]))
            best = list(islice(current, bounds.stop))
            if len(best) == bounds.stop:
                break
        return best

    def _compared(
        self,
        table: MentionTable,
        query: ScoredQuery,
        allowed: NDArray[np.bool_],
        bounds: Bounds,
        topic: Topic | None = None,
    ) -> Iterator[tuple[MentionTable, Compared]]:
        """Compare the query with the nearest mentions, if these may suffice, then with all."""
        rows = None
        # With another similarity, no ranking stages follow: one product with all mentions suffices.
        if topic is None and self._encoder.similarity == "cosine":
            rows = nearest(table, query, allowed, bounds)
        if rows is not None and bounds.stop is not None:
            some, most = table.only(rows), _SMOOTHED + _SMOOTHED_PER_RESULT * bounds.stop
            wanted = Wanted(allowed[table.owner[rows]], most)
            yield some, self.compare(some, query, bounds, wanted)
        yield table, self.compare(table, query, bounds)

    def mention_scores(
        self, query: Query, bounds: Bounds, about: str | None = None
    ) -> MentionScores:
        """Score every mention by itself.

        Args:
            query: The type, or a combination of types.
            bounds: The filter, and whether to sharpen.
            about: Restrict to the top documents of a search with this topic.
        """
        about = check_topic(about, None)
        return self._retry_if_stale(lambda stale: self._mention_scores(query, bounds, about, stale))

    def _mention_scores(
        self, query: Query, bounds: Bounds, about: str | None, replaced: set[str]
    ) -> MentionScores:
        table = self._tables.current()
        scored = self._scored_for_mentions(query, table)
        compared = self.compare(table, scored, bounds)
        allowed = self.allowed(table, bounds.where)
        if about is not None:
            on_topic = replace(bounds, k=_ON_TOPIC, offset=0, floor=0.0)
            topic = Topic.encode(about, query, self._encoder, None)
            found = self._documents(table, scored, compared, allowed, on_topic, topic, replaced)
            near = np.zeros_like(allowed)
            near[table.documents(match.doc_id for match in found)] = True
            allowed &= near
        return MentionScores(table, scored, compared, allowed[table.owner])

    def _retry_if_stale(self, run_search: Callable[[set[str]], T]) -> T:
        """Search again until no document among the results was replaced during the search.

        Such a document has its old version in the table and its new one in the store, and would be
        dropped. The last attempt blocks this process's writers; a server's cannot be blocked.

        Args:
            run_search: Runs the search; adds the ids of replaced documents to the set it is given.
        """
        waits: Callable[[], AbstractContextManager[Any]] = self._store.writes_paused
        for hold in (nullcontext, nullcontext, waits):
            replaced: set[str] = set()
            with hold():
                found = run_search(replaced)
            if not replaced:
                break
        return found

    def _scored_for_mentions(self, query: Query, table: MentionTable) -> ScoredQuery:
        """Check a query over single mentions, and encode its types."""
        return self._check_for_mentions(self.scored(query, table))

    def _check_for_mentions(self, scored: ScoredQuery) -> ScoredQuery:
        """Check that a query can be evaluated for single mentions.

        Raises:
            ValueError: If it is a ``Not`` alone.
        """
        if scored.score_without_mentions > 0:
            raise ValueError("query: a mention cannot be found by Not alone; add a type it is of")
        return scored

    def drop_stale(
        self, table: MentionTable, found: Iterable[T], document: Callable[[T], int]
    ) -> Iterator[T]:
        """Yield the results whose documents are unchanged since they were encoded.

        Args:
            table: The table the results are from.
            found: The results.
            document: Gives the number of a result's document.
        """
        for some in batches(found, _LOOKUP_BATCH):
            changed = self.changed(table, {document(each) for each in some})
            yield from (each for each in some if document(each) not in changed)

    def changed(self, table: MentionTable, documents: Iterable[int]) -> set[int]:
        """Those of some documents that have a different text now, or have been deleted."""
        rows = {table.doc_ids[row]: row for row in documents}
        versions = {doc_id: table.versions[row] for doc_id, row in rows.items()}
        return {rows[doc_id] for doc_id in self._store.changed(versions)}

    def compare(
        self, table: MentionTable, query: ScoredQuery, bounds: Bounds, wanted: Wanted | None = None
    ) -> Compared:
        """Compare a query's types with all mentions of a table; only ``wanted`` need be exact."""
        return compare(
            table,
            query,
            sharpen=bounds.sharpen,
            wanted=wanted,
            rerank=self._rerank,
            rerank_top=bounds.rerank,
            judged=self.judgements_of,
            named=bounds.named,
        )

    def _texts(self, doc_ids: Sequence[str]) -> dict[str, str]:
        """The texts of documents, by id; deleted documents are left out."""
        records = self._store.fetch(doc_ids)
        return {doc_id: record.document.text for doc_id, record in records.items()}

    def unjudged_log_odds(self, description: str, table: MentionTable) -> NDArray[np.float32]:
        """The log odds of all mentions without judgments, float32 ``(mentions,)``."""
        query = self.scored(description, table)
        return np.asarray(compare(table, query).log_odds[0])

    def judgements_of(self, description: str) -> Judged | None:
        """The fitted judgments of a type; None if there are none."""
        return self.judged(self._tables.revision, description)

    def _with_threshold(
        self, query: ScoredQuery, bounds: Bounds, scores: NDArray[np.float32]
    ) -> Bounds:
        """Set the threshold of an unlimited search: the one given, or that of the best expected F1.

        Args:
            query: The query.
            bounds: The bounds given by the caller.
            scores: float32 ``(n,)``, of all possible results.
        """
        if bounds.k is not None or bounds.threshold_given:
            return bounds
        threshold = unlimited_threshold(query, scores, bounds.floor)
        return replace(bounds, floor=threshold, threshold=threshold)

    def scores_of_kind(self, kind: int, kinds: Kinds, table: MentionTable) -> NDArray[np.float32]:
        """The scores of all mentions for a kind of a vocabulary, float32 ``(mentions,)``.

        Without the pair model: there are too many kinds.
        """
        query = ScoredQuery(kinds.names[kind], self._encoder, lambda _: kinds.vectors[kind])
        log_odds = compare(table, query, judged=self.judgements_of).log_odds
        return np.asarray(query.scores(log_odds)[0])

    def allowed(self, table: MentionTable, where: Mapping[str, Any] | None) -> NDArray[np.bool_]:
        """Which documents pass a filter, bool ``(documents,)``."""
        if not where:
            return np.ones(len(table.doc_ids), dtype=np.bool_)
        passing = np.zeros(len(table.doc_ids), dtype=np.bool_)
        passing[table.documents(self._store.document_ids(where))] = True
        if not passing.any():
            warn_of_unknown_keys(self._store.unknown_keys(keys_of(where)))
        return passing

    def _ordered(
        self,
        table: MentionTable,
        query: ScoredQuery,
        compared: Compared,
        allowed: NDArray[np.bool_],
        bounds: Bounds,
        topic: Topic | None,
    ) -> tuple[NDArray[np.float32], Iterator[NDArray[np.intp]], Bounds]:
        """Document scores, float32 ``(documents,)``; their numbers, best first; final bounds."""
        best = table.best_of_each(compared.log_odds)
        scores = query.combine(query.scores(best))
        allowed = allowed & ((np.diff(table.first) > 0) | (query.score_without_mentions > 0))
        if topic is not None:
            scores, allowed = with_topic(table, scores, allowed, topic, self._store.texts, bounds)
        else:
            bounds = self._with_threshold(query, bounds, scores[allowed])
        nearness = best.max(axis=0)
        best_of = partial(best_first, scores, nearness, allowed, bounds.floor)
        return scores, _orders(best_of, bounds), bounds

    def _documents(
        self,
        table: MentionTable,
        query: ScoredQuery,
        compared: Compared,
        allowed: NDArray[np.bool_],
        bounds: Bounds,
        topic: Topic | None,
        replaced: set[str],
    ) -> list[DocumentMatch]:
        scores, orders, bounds = self._ordered(table, query, compared, allowed, bounds, topic)
        for order in orders:
            page = self._page(table, order.tolist(), bounds, replaced)
            if len(page) == bounds.k:
                break
        matches = []
        for row, record in page:
            places = table.mentions_of(row)
            match = query.document_match(
                record.document,
                [table.span(n) for n in range(places.start, places.stop)],
                compared.cosines[:, places],
                compared.log_odds[:, places],
                bounds.threshold,
                bounds.max_matches,
                float(scores[row]),
            )
            matches.append(match)
        return matches

    def _page(
        self, table: MentionTable, order: Sequence[int], bounds: Bounds, replaced: set[str]
    ) -> list[tuple[int, StoredDocument]]:
        """The requested page of results, without documents replaced or deleted since.

        Args:
            table: The table they were found in.
            order: Their numbers, best first.
            bounds: The number of results wanted, and the offset.
            replaced: Set to add the ids of replaced documents to.
        """
        there: list[tuple[int, StoredDocument]] = []
        for rows in batches(order, bounds.stop or max(1, len(order))):
            records = self._store.fetch([table.doc_ids[row] for row in rows])
            known = [(row, record) for row in rows if (record := records.get(table.doc_ids[row]))]
            for row, record in known:
                if record.version == table.versions[row]:
                    there.append((row, record))
                else:
                    replaced.add(table.doc_ids[row])
            if bounds.stop is not None and len(there) >= bounds.stop:
                break
        return there[bounds.offset : bounds.stop]


def _orders(
    best_of: Callable[[int | None], NDArray[np.intp]], bounds: Bounds
) -> Iterator[NDArray[np.intp]]:
    """Yield results, best first: about as many as are wanted, then all if there are more.

    Args:
        best_of: Sorts about as many results as it is given, or all if given None.
        bounds: The number of results wanted.
    """
    if bounds.stop is not None:
        most = _MIN_FIRST_ROUND + 8 * bounds.stop
        yield (some := best_of(most))
        if len(some) < most:
            return
    yield best_of(None)
