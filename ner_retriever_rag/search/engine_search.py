"""The search of an index whose mentions are elsewhere: on a server, on several, in shards.

Candidates come from a :class:`~ner_retriever_rag.candidates.protocol.CandidateSource`; what is made
of them is what a folder's search makes of its table (:mod:`~ner_retriever_rag.search.search`). They
are the mentions nearest to the query's types, then all mentions of the documents that look best, so
that a document is judged by the whole of it. Where too few results are found, or all are wanted,
more candidates are asked for, twice as many in each round. Of a small index all mentions are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.joining import joined
from ner_retriever_rag.candidates.mention_table import MentionTable, read_table
from ner_retriever_rag.candidates.tables import FixedTable
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD, Bounds
from ner_retriever_rag.queries.query import AnyOf, Leaf, Query, wanted_leaves
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.queries.topic import Topic, topic_asked
from ner_retriever_rag.ranking.threshold import LEAST
from ner_retriever_rag.schema import DocumentMatch, MentionMatch
from ner_retriever_rag.search.facets import Facet
from ner_retriever_rag.search.mention_scores import Compared, MentionScores, scored_by
from ner_retriever_rag.search.search import Search
from ner_retriever_rag.storage.passing import matching, passing

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.protocol import CandidateSource
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.kinds import Kinds
    from ner_retriever_rag.ranking.query import Judged
    from ner_retriever_rag.storage.protocol import DocumentStore

SMALL = 2_500  # mentions; of an index that has no more all are candidates
# Of each type at first: more than ranking takes for neighbours, or so many for each result.
CANDIDATES, A_RESULT = 600, 20
MOST = 16_000  # of each type at last
_TAIL = 16  # the last of so many candidates say whether one further off could pass a threshold
_FEW = 1_000  # documents; where a filter passes no more, their mentions are all candidates
_NAMES = 4  # looked up for each entity that is wanted
_SPARE = 5  # more documents than are wanted are judged by the whole of them
_NEAR_TEXTS, _NEAR_TEXTS_A_RESULT = 64, 4  # documents near to a topic, as of a folder's search
_ON_TOPIC = 100  # documents that entities with a topic are taken from
_SAMPLE = 4_096  # mentions that kinds of entity are counted in, about


Door = TypeVar("Door", bound=Callable[..., Any])


def _of_few_by_table(door: Door) -> Door:
    """A door; of an index with few mentions a folder's search opens it, which looks at all."""

    @wraps(door)
    def asked(self: EngineSearch, *arguments: Any, **options: Any) -> Any:
        if (small := self._small()) is not None:
            return getattr(small, door.__name__)(*arguments, **options)
        return door(self, *arguments, **options)

    return cast("Door", asked)


class EngineSearch(Search):
    """Searches an index through a source of candidates; ``EntityIndex`` documents the arguments.

    Args:
        store: Where documents are.
        source: Where candidate mentions come from.
        encoder: What they were encoded with.
    """

    def __init__(
        self, store: DocumentStore, source: CandidateSource, encoder: TypeAwareEncoder
    ) -> None:
        super().__init__(store, FixedTable(None), encoder)
        self._source = source

    def mention_count(self) -> int:
        """How many mentions there are."""
        return self._store.mentions.count()

    @_of_few_by_table
    def documents(
        self,
        queries: Sequence[Query],
        bounds: Bounds,
        about: str | None = None,
        topic_weight: float | None = None,
    ) -> list[list[DocumentMatch]]:
        """For each query the best documents, best first."""
        about = topic_asked(about, topic_weight)
        found = []
        for query in queries:
            scored = self._with_examples(query)
            topic = None
            if about is not None:
                topic = Topic.encode(about, query, self._encoder, topic_weight)
            look = partial(self._found, scored, bounds, topic)
            found.append(self._steadily(look))
        return found

    @_of_few_by_table
    def mentions(self, query: Query, bounds: Bounds) -> list[MentionMatch]:
        """The best mentions, best first; the rule is applied to each mention by itself."""
        scored, best = self._for_mentions(query), list[int]()
        for look in self._looks(scored, bounds, None):
            scores = MentionScores(look.table, scored, look.compared, look.of_mentions)
            best = self._best_mentions(scores, bounds)
            if len(best) == bounds.last:
                break
        return [scores.match(n) for n in best[bounds.offset :]]

    @_of_few_by_table
    def mention_scores(
        self, query: Query, bounds: Bounds, about: str | None = None
    ) -> MentionScores:
        """Score the mentions of the names that a search finds, and the candidates it found them by.

        Args:
            query: What is looked for.
            bounds: How many names are wanted, where, and whether sharpened.
            about: Look only in the documents found first with this topic.
        """
        scored = self._for_mentions(query)
        if about:
            on_topic = replace(bounds, k=_ON_TOPIC, offset=0, floor=0.0)
            topic = Topic.encode(about, query, self._encoder, None)
            near = [match.doc_id for match in self._found(scored, on_topic, topic, set())]
            candidates = self._source.nearest(scored.vectors, CANDIDATES)
            table = joined([candidates, self._source.of_documents(near)])
            allowed = _among(table, near)
            compared = self.compare(table, scored, bounds)
            return MentionScores(table, scored, compared, allowed[table.owner])
        looks = self._looks(scored, bounds, None)
        # One look has mentions of more names than are wanted, unless all are.
        look = next(looks) if bounds.last is not None else list(looks)[-1]
        scores = MentionScores(look.table, scored, look.compared, look.of_mentions)
        most = None if bounds.last is None else A_RESULT * bounds.last
        best = scores.best_first(
            min(bounds.floor, DEFAULT_THRESHOLD) if most is None else 0.0, most
        )
        names = dict.fromkeys(look.table.text(n) for n in best.tolist())
        looked_up = list(names) if most is None else list(names)[: _NAMES * (bounds.last or 0)]
        table = joined([look.table, self._source.of_names(looked_up)])
        compared = self.compare(table, scored, bounds)
        # Of other names not all mentions are here.
        allowed = self._allowed_of(table, bounds.where)[table.owner]
        allowed &= np.isin(table.names, name_hashes(looked_up))
        return MentionScores(table, scored, compared, allowed)

    @_of_few_by_table
    def facets(self, where: Mapping[str, Any] | None, kinds: Kinds, **options: Any) -> list[Facet]:
        """The kinds of entity, counted in a sample of documents."""
        self._see_that_chroma_takes(where)
        mentions, documents = self._source.count, self._store.document_count()
        sampled = self._source.sampled_documents(max(1, _SAMPLE * documents // mentions))
        table = self._source.of_documents(sampled)
        allowed, share = self._allowed_of(table, where), len(sampled) / documents
        return self._facets_of(table, allowed, kinds, share=share, **options)

    @_of_few_by_table
    def extract(
        self, types: Sequence[Leaf], bounds: Bounds, **options: bool
    ) -> Iterator[MentionMatch]:
        """Every mention of some types, page by page, each among the candidates of a search."""
        self._see_that_chroma_takes(bounds.where)
        scored = self._with_examples(AnyOf(*types))
        each = max(A_RESULT, CANDIDATES // len(types))
        candidates, pages = self._source.nearest(scored.vectors, each), self._source.pages
        return self.rows_of_pages(pages(bounds.where), candidates, types, bounds, **options)

    def rows_of_pages(
        self,
        pages: Iterable[MentionTable],
        candidates: MentionTable,
        types: Sequence[Leaf],
        bounds: Bounds,
        **options: bool,
    ) -> Iterator[MentionMatch]:
        """The mentions of some types in the documents of some pages, each ranked with candidates.

        Args:
            pages: Tables of documents.
            candidates: The best mentions of all.
            types: As in ``EntityIndex.extract``.
            bounds: The threshold.
            options: As in ``EntityIndex.extract``.
        """
        for page in pages:
            table = joined([candidates, page])
            allowed = _among(table, page.doc_ids)
            yield from self._rows_of(table, types, bounds, allowed, **options)

    def scored(self, query: Query, table: MentionTable) -> ScoredQuery:
        """Check a query and encode its types; examples are looked up beyond the table."""
        return self._with_examples(query)

    def _small(self) -> Search | None:
        """A folder's search, of an index with so few mentions that all can be looked at."""
        if self._source.count > SMALL:
            return None
        revision = self._store.revisions.current()
        table = FixedTable(read_table(self._store, self._encoder.dim), revision)
        small = Search(self._store, table, self._encoder)
        small.judged = self.judged
        return small

    def judgements_of(self, description: str) -> Judged | None:
        """What counts in what was judged of a type; None where nothing was."""
        return self.judged(self._store.revisions.current(), description)

    @_of_few_by_table
    def table_with(self, description: str, doc_ids: Sequence[str]) -> MentionTable:
        """The candidates for a type, all mentions of some documents among them."""
        scored = self._with_examples(description)
        near = self._source.nearest(scored.vectors, CANDIDATES)
        return joined([near, self._source.of_documents(doc_ids)])

    def _see_that_chroma_takes(self, where: Mapping[str, Any] | None) -> None:
        """See that a filter is one, before it is applied here.

        Raises:
            ValueError: If Chroma refuses it.
        """
        if where:
            matching(self._store.texts, where, 1)

    def _first(self, bounds: Bounds) -> int:
        """How many candidates of each type are looked at first."""
        return max(CANDIDATES, A_RESULT * (bounds.last or 0))

    def _looks(self, scored: ScoredQuery, bounds: Bounds, topic: Topic | None) -> Iterator[_Look]:
        """Ever more candidates, compared with a query, until no other can be a result."""
        few = matching(self._store.texts, bounds.where, _FEW) if bounds.where else None
        wanted, most = self._first(bounds), min(MOST, self._source.most or MOST)
        all_likely = bounds.k is None and not bounds.given
        floor = LEAST if all_likely else bounds.floor
        while True:
            n = min(wanted, most)
            tables = [self._source.nearest(scored.vectors, n, exact=bounds.exact)]
            if few is not None:
                tables.append(self._source.of_documents(few))
            if topic is not None:
                count = max(_NEAR_TEXTS, _NEAR_TEXTS_A_RESULT * (bounds.last or 0))
                near = self._store.texts.nearest(topic.vector, count, bounds.where)
                tables.append(self._source.of_documents(doc_id for doc_id, _ in near))
            table = joined(tables)
            if few is None:
                allowed = self._allowed_of(table, bounds.where)
            else:
                allowed = _among(table, few)
            look = _Look(table, allowed, self.compare(table, scored, bounds))
            yield look
            seen_all = len(tables[0]) >= table.background.count or few is not None
            if seen_all or look.is_past(scored, n, floor):
                return
            if n == most:
                if bounds.last is None:
                    warnings.warn(
                        f"only the {n:,} mentions nearest to each type were looked at: there may "
                        "be more results; ask with a higher score_threshold or a narrower where",
                        stacklevel=4,
                    )
                return
            wanted *= 2

    def _found(
        self, scored: ScoredQuery, bounds: Bounds, topic: Topic | None, replaced: set[str]
    ) -> list[DocumentMatch]:
        """The best documents; ``replaced`` gets the ids of those that changed meanwhile."""
        if scored.without > 0:
            raise ValueError(
                "query: on a server Not alone would look at every document; put it into an AllOf "
                "with a type that counts"
            )
        found: list[DocumentMatch] = []
        for look in self._looks(scored, bounds, topic):
            more = bounds.last is not None
            judged = replace(bounds, k=_SPARE + (bounds.last or 0), offset=0) if more else bounds
            _, orders, _ = self._ordered(
                look.table, scored, look.compared, look.allowed, judged, topic
            )
            best = next(orders)[: judged.last]
            may = [look.table.doc_ids[row] for row in best.tolist()]
            table = joined([look.table, self._source.of_documents(may)])
            if not more:
                passes = zip(look.table.doc_ids, look.allowed.tolist(), strict=True)
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

    def _for_mentions(self, query: Query) -> ScoredQuery:
        """Check a query that is asked of single mentions, and encode its types."""
        return self._of_single_mentions(self._with_examples(query))

    def _with_examples(self, query: Query) -> ScoredQuery:
        """Check a query and encode its types; examples by their mentions in the index."""
        return scored_by(self._source, query, self._encoder)


class _Look:
    """Candidates, compared with a query.

    Args:
        table: The candidates.
        allowed: bool ``(documents,)``, which may be found.
        compared: The query's types compared with them.
    """

    def __init__(self, table: MentionTable, allowed: NDArray[np.bool_], compared: Compared) -> None:
        self.table, self.allowed, self.compared = table, allowed, compared

    @property
    def of_mentions(self) -> NDArray[np.bool_]:
        """Which mentions may be found, bool ``(mentions,)``."""
        return self.allowed[self.table.owner]

    def is_past(self, scored: ScoredQuery, n: int, floor: float) -> bool:
        """Whether, of each type that counts, the furthest candidates all are below a threshold."""
        if floor <= 0:
            return False
        scores, wanted = scored.scores(self.compared.log_odds), wanted_leaves(scored.query)
        for row, leaf in enumerate(scored.leaves):
            order = np.argsort(-self.compared.cosines[row])[:n]
            if leaf in wanted and scores[row, order[-max(1, len(order) // _TAIL) :]].max() >= floor:
                return False
        return True


def _among(table: MentionTable, doc_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Which documents of a table are among some, bool ``(documents,)``."""
    some = set(doc_ids)
    return np.array([each in some for each in table.doc_ids], dtype=np.bool_)
