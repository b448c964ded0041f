"""Search in an index whose mentions are remote: on a server, on several, in shards.

Candidates come from a :class:`~ner_retriever_rag.candidates.protocol.CandidateSource`, and are
ranked as a local index ranks its table (:mod:`~ner_retriever_rag.search.search`). They are the
mentions nearest to the query's types, followed by all mentions of the best documents so far, so
that each document is scored in full. If too few results are found, or all are wanted, the number
of candidates is doubled in each round. In a small index, all mentions are candidates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.joining import merge_tables
from ner_retriever_rag.candidates.mention_table import MentionTable, read_table
from ner_retriever_rag.candidates.tables import FixedTable
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD, Bounds
from ner_retriever_rag.queries.query import AnyOf, Leaf, Query, positive_leaves
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.queries.topic import Topic, check_topic
from ner_retriever_rag.ranking.threshold import MIN_SCORE
from ner_retriever_rag.schema import DocumentMatch, MentionMatch
from ner_retriever_rag.search.facets import Facet
from ner_retriever_rag.search.mention_scores import Compared, MentionScores, scored_query
from ner_retriever_rag.search.search import Search
from ner_retriever_rag.storage.passing import matching, passing

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.protocol import CandidateSource
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.kinds import Kinds
    from ner_retriever_rag.ranking.query import Judged
    from ner_retriever_rag.storage.protocol import DocumentStore

MAX_LOCAL_MENTIONS = 2_500  # mentions; in an index with no more than this, all are candidates
# Candidates per type in the first round, at least and per result: more than the neighbors of
# kernel smoothing.
MIN_CANDIDATES, CANDIDATES_PER_RESULT = 600, 20
MAX_CANDIDATES = 16_000  # candidates per type in the last round
_TAIL = 16  # the last 1/16 of candidates decides whether further ones could pass a threshold
_MAX_FILTERED = (
    1_000  # documents; if a filter passes no more than this, all their mentions are candidates
)
_NAMES_PER_ENTITY = 4  # names looked up per entity wanted
_EXTRA_DOCUMENTS = 5  # documents scored in full beyond those wanted
# Documents nearest to a topic, at least and per result, as in a local search.
_NEAR_TEXTS, _NEAR_TEXTS_PER_RESULT = 64, 4
_ON_TOPIC = 100  # top documents that entities with a topic are taken from
_SAMPLE = 4_096  # approximate number of sampled mentions that facets are counted in


Method = TypeVar("Method", bound=Callable[..., Any])


def _local_if_small(method: Method) -> Method:
    """Decorate a search method to run as a local, exhaustive search in a small index."""

    @wraps(method)
    def run(self: EngineSearch, *arguments: Any, **options: Any) -> Any:
        if (small := self._local_search()) is not None:
            return getattr(small, method.__name__)(*arguments, **options)
        return method(self, *arguments, **options)

    return cast("Method", run)


class EngineSearch(Search):
    """Searches an index through a source of candidates; ``EntityIndex`` documents the arguments.

    Args:
        store: Stores the documents.
        source: Provides candidate mentions.
        encoder: The encoder of the index.
    """

    def __init__(
        self, store: DocumentStore, source: CandidateSource, encoder: TypeAwareEncoder
    ) -> None:
        super().__init__(store, FixedTable(None), encoder)
        self._source = source

    def mention_count(self) -> int:
        """The number of mentions."""
        return self._store.mentions.count()

    @_local_if_small
    def documents(
        self,
        queries: Sequence[Query],
        bounds: Bounds,
        about: str | None = None,
        topic_weight: float | None = None,
    ) -> list[list[DocumentMatch]]:
        """The best documents for each query, best first."""
        about = check_topic(about, topic_weight)
        found = []
        for query in queries:
            scored = self._with_examples(query)
            topic = None
            if about is not None:
                topic = Topic.encode(about, query, self._encoder, topic_weight)
            run_search = partial(self._search_documents, scored, bounds, topic)
            found.append(self._retry_if_stale(run_search))
        return found

    @_local_if_small
    def mentions(self, query: Query, bounds: Bounds) -> list[MentionMatch]:
        """The best mentions, best first; a combination is evaluated for each mention separately."""
        scored, best = self._with_examples_for_mentions(query), list[int]()
        for round_ in self._rounds(scored, bounds, None):
            scores = MentionScores(round_.table, scored, round_.compared, round_.allowed_mentions)
            best = self._best_mentions(scores, bounds)
            if len(best) == bounds.stop:
                break
        return [scores.match(n) for n in best[bounds.offset :]]

    @_local_if_small
    def mention_scores(
        self, query: Query, bounds: Bounds, about: str | None = None
    ) -> MentionScores:
        """Score all mentions of the names that a search finds, together with its candidates.

        Args:
            query: The type, or a combination of types.
            bounds: The number of names wanted, the filter, and whether to sharpen.
            about: Restrict to the top documents of a search with this topic.
        """
        scored = self._with_examples_for_mentions(query)
        if about:
            on_topic = replace(bounds, k=_ON_TOPIC, offset=0, floor=0.0)
            topic = Topic.encode(about, query, self._encoder, None)
            near = [
                match.doc_id for match in self._search_documents(scored, on_topic, topic, set())
            ]
            candidates = self._source.nearest(scored.vectors, MIN_CANDIDATES)
            table = merge_tables([candidates, self._source.of_documents(near)])
            allowed = _among(table, near)
            compared = self.compare(table, scored, bounds)
            return MentionScores(table, scored, compared, allowed[table.owner])
        rounds = self._rounds(scored, bounds, None)
        # One round has mentions of more names than are wanted, unless all are wanted.
        round_ = next(rounds) if bounds.stop is not None else list(rounds)[-1]
        scores = MentionScores(round_.table, scored, round_.compared, round_.allowed_mentions)
        most = None if bounds.stop is None else CANDIDATES_PER_RESULT * bounds.stop
        best = scores.best_first(
            min(bounds.floor, DEFAULT_THRESHOLD) if most is None else 0.0, most
        )
        names = dict.fromkeys(round_.table.text(n) for n in best.tolist())
        looked_up = (
            list(names) if most is None else list(names)[: _NAMES_PER_ENTITY * (bounds.stop or 0)]
        )
        table = merge_tables([round_.table, self._source.of_names(looked_up)])
        compared = self.compare(table, scored, bounds)
        # The table lacks some mentions of other names.
        allowed = self._allowed_of(table, bounds.where)[table.owner]
        allowed &= np.isin(table.names, name_hashes(looked_up))
        return MentionScores(table, scored, compared, allowed)

    @_local_if_small
    def facets(self, where: Mapping[str, Any] | None, kinds: Kinds, **options: Any) -> list[Facet]:
        """Estimate the counts of the kinds of entity from a sample of documents."""
        self._validate_where(where)
        mentions, documents = self._source.count, self._store.document_count()
        sampled = self._source.sampled_documents(max(1, _SAMPLE * documents // mentions))
        table = self._source.of_documents(sampled)
        allowed, share = self._allowed_of(table, where), len(sampled) / documents
        return self._facets_of(table, allowed, kinds, share=share, **options)

    @_local_if_small
    def extract(
        self, types: Sequence[Leaf], bounds: Bounds, **options: bool
    ) -> Iterator[MentionMatch]:
        """Extract the mentions of some types page by page, ranked among a search's candidates."""
        self._validate_where(bounds.where)
        scored = self._with_examples(AnyOf(*types))
        each = max(CANDIDATES_PER_RESULT, MIN_CANDIDATES // len(types))
        candidates, pages = self._source.nearest(scored.vectors, each), self._source.pages
        return self.extract_pages(pages(bounds.where), candidates, types, bounds, **options)

    def extract_pages(
        self,
        pages: Iterable[MentionTable],
        candidates: MentionTable,
        types: Sequence[Leaf],
        bounds: Bounds,
        **options: bool,
    ) -> Iterator[MentionMatch]:
        """Yield the mentions of some types in pages of documents, each ranked with candidates.

        Args:
            pages: Tables of documents.
            candidates: The best mentions of the whole index.
            types: As in ``EntityIndex.extract``.
            bounds: Holds the threshold.
            options: As in ``EntityIndex.extract``.
        """
        for page in pages:
            table = merge_tables([candidates, page])
            allowed = _among(table, page.doc_ids)
            yield from self._extract_rows(table, types, bounds, allowed, **options)

    def scored(self, query: Query, table: MentionTable) -> ScoredQuery:
        """Check a query and encode its types; examples are looked up beyond the table."""
        return self._with_examples(query)

    def _local_search(self) -> Search | None:
        """A local search over all mentions, if the index is small; otherwise None."""
        if self._source.count > MAX_LOCAL_MENTIONS:
            return None
        revision = self._store.revisions.current()
        table = FixedTable(read_table(self._store, self._encoder.dim), revision)
        small = Search(self._store, table, self._encoder)
        small.judged = self.judged
        return small

    def judgements_of(self, description: str) -> Judged | None:
        """The fitted judgments of a type; None if there are none."""
        return self.judged(self._store.revisions.current(), description)

    @_local_if_small
    def table_with(self, description: str, doc_ids: Sequence[str]) -> MentionTable:
        """The candidates for a type, including all mentions of some documents."""
        scored = self._with_examples(description)
        near = self._source.nearest(scored.vectors, MIN_CANDIDATES)
        return merge_tables([near, self._source.of_documents(doc_ids)])

    def _validate_where(self, where: Mapping[str, Any] | None) -> None:
        """Let Chroma validate a filter before it is applied in this process.

        Raises:
            ValueError: If Chroma rejects it.
        """
        if where:
            matching(self._store.texts, where, 1)

    def _first_round_size(self, bounds: Bounds) -> int:
        """The number of candidates per type in the first round."""
        return max(MIN_CANDIDATES, CANDIDATES_PER_RESULT * (bounds.stop or 0))

    def _rounds(self, scored: ScoredQuery, bounds: Bounds, topic: Topic | None) -> Iterator[_Round]:
        """Yield growing sets of candidates, scored, until no other mention can be a result."""
        few = matching(self._store.texts, bounds.where, _MAX_FILTERED) if bounds.where else None
        wanted, most = (
            self._first_round_size(bounds),
            min(MAX_CANDIDATES, self._source.max_results or MAX_CANDIDATES),
        )
        all_likely = bounds.k is None and not bounds.threshold_given
        floor = MIN_SCORE if all_likely else bounds.floor
        while True:
            n = min(wanted, most)
            tables = [self._source.nearest(scored.vectors, n, exact=bounds.exact)]
            if few is not None:
                tables.append(self._source.of_documents(few))
            if topic is not None:
                count = max(_NEAR_TEXTS, _NEAR_TEXTS_PER_RESULT * (bounds.stop or 0))
                near = self._store.texts.nearest(topic.vector, count, bounds.where)
                tables.append(self._source.of_documents(doc_id for doc_id, _ in near))
            table = merge_tables(tables)
            if few is None:
                allowed = self._allowed_of(table, bounds.where)
            else:
                allowed = _among(table, few)
            round_ = _Round(table, allowed, self.compare(table, scored, bounds))
            yield round_
            seen_all = len(tables[0]) >= table.background.count or few is not None
            if seen_all or round_.is_exhausted(scored, n, floor):
                return
            if n == most:
                if bounds.stop is None:
                    warnings.warn(
                        f"only the {n:,} mentions nearest to each type were compared: there may "
                        "be more results; use a higher score_threshold or a narrower where",
                        stacklevel=4,
                    )
                return
            wanted *= 2

    def _search_documents(
        self, scored: ScoredQuery, bounds: Bounds, topic: Topic | None, replaced: set[str]
    ) -> list[DocumentMatch]:
        """The best documents; adds the ids of those replaced meanwhile to ``replaced``."""
        if scored.score_without_mentions > 0:
            raise ValueError(
                "query: on a server, Not alone would scan every document; put it into an AllOf "
                "with a type to search for"
            )
        found: list[DocumentMatch] = []
        for round_ in self._rounds(scored, bounds, topic):
            more = bounds.stop is not None
            judged = (
                replace(bounds, k=_EXTRA_DOCUMENTS + (bounds.stop or 0), offset=0)
                if more
                else bounds
            )
            _, orders, _ = self._ordered(
                round_.table, scored, round_.compared, round_.allowed, judged, topic
            )
            best = next(orders)[: judged.stop]
            may = [round_.table.doc_ids[row] for row in best.tolist()]
            table = merge_tables([round_.table, self._source.of_documents(may)])
            if not more:
                passes = zip(round_.table.doc_ids, round_.allowed.tolist(), strict=True)
                may = [doc_id for doc_id, passed in passes if passed]
            allowed = _among(table, may)
            compared = self.compare(table, scored, bounds)
            found = self._documents(table, scored, compared, allowed, bounds, topic, replaced)
            if len(found) == bounds.k:
                break
        return found

    def _allowed_of(
        self, table: MentionTable, where: Mapping[str, Any] | None
    ) -> NDArray[np.bool_]:
        """Which documents of a table pass a filter, bool ``(documents,)``."""
        if not where:
            return np.ones(len(table.doc_ids), dtype=np.bool_)
        return _among(table, passing(self._store.texts, table.doc_ids, where))

    def _with_examples_for_mentions(self, query: Query) -> ScoredQuery:
        """Check a query over single mentions, and encode its types."""
        return self._check_for_mentions(self._with_examples(query))

    def _with_examples(self, query: Query) -> ScoredQuery:
        """Check a query and encode its types; examples are encoded from their indexed mentions."""
        return scored_query(self._source, query, self._encoder)


class _Round:
    """One round of candidates, scored for a query.

    Args:
        table: The candidates.
        allowed: bool ``(documents,)``, which documents may be returned.
        compared: The query's types compared with the candidates.
    """

    def __init__(self, table: MentionTable, allowed: NDArray[np.bool_], compared: Compared) -> None:
        self.table, self.allowed, self.compared = table, allowed, compared

    @property
    def allowed_mentions(self) -> NDArray[np.bool_]:
        """Which mentions may be returned, bool ``(mentions,)``."""
        return self.allowed[self.table.owner]

    def is_exhausted(self, scored: ScoredQuery, n: int, floor: float) -> bool:
        """Whether the furthest candidates of every positive type are all below a threshold."""
        if floor <= 0:
            return False
        scores, wanted = scored.scores(self.compared.log_odds), positive_leaves(scored.query)
        for row, leaf in enumerate(scored.leaves):
            order = np.argsort(-self.compared.cosines[row])[:n]
            if leaf in wanted and scores[row, order[-max(1, len(order) // _TAIL) :]].max() >= floor:
                return False
        return True


def _among(table: MentionTable, doc_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Which documents of a table are among some, bool ``(documents,)``."""
    some = set(doc_ids)
    return np.array([each in some for each in table.doc_ids], dtype=np.bool_)
