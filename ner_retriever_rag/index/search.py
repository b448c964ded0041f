"""Search by type: from a type description to the documents and mentions that fit it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.combined import Bounds, CombinedSearch
from ner_retriever_rag.index.examples import IndexedExamples
from ner_retriever_rag.index.extraction import check_types, extract
from ner_retriever_rag.index.facets import Facet, count_facets
from ner_retriever_rag.index.store import MentionKey, Store, StoredDocument
from ner_retriever_rag.queries.likeness import type_vector
from ner_retriever_rag.queries.query import Leaf, Query, check_query, is_combined, label
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.queries.topic import Topic
from ner_retriever_rag.schema import DocumentMatch, MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

DEFAULT_THRESHOLD = 0.5
_FIRST_LOOK = 16  # mentions fetched for each document wanted, at first

Hit = tuple[MentionKey, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked search for one type.

    Attributes:
        type: What its matches are labelled with.
        vector: The encoded type description.
        k: How many results, None for all.
        where: Metadata filter.
        floor: Least cosine of a result's best mention.
        match_floor: Least cosine of a mention that is listed.
        exact: Compare with every mention.
    """

    type: str
    vector: NDArray[np.float32]
    k: int | None
    where: Mapping[str, Any] | None
    floor: float
    match_floor: float
    exact: bool


class TypeSearch:
    """Searches a store with an encoder; ``EntityIndex`` documents the arguments.

    Args:
        store: Where the mentions are.
        encoder: What they were encoded with.
    """

    def __init__(self, store: Store, encoder: TypeAwareEncoder) -> None:
        self._store, self.encoder = store, encoder
        self._combined = CombinedSearch(store)
        self._example_vector = IndexedExamples(store)

    def documents(
        self,
        query: Query,
        k: int | None,
        where: Mapping[str, Any] | None,
        score_threshold: float | None,
        exact: bool,
        about: str | None = None,
        topic_weight: float | None = None,
    ) -> list[DocumentMatch]:
        """The best k documents, or all above the threshold; best first."""
        if about is not None or is_combined(check_query(query)):
            bounds = _bounds(k, where, score_threshold, exact)
            scored, topic = self._scored(query), None
            if about is not None:
                topic = Topic.encode(about, query, self.encoder, topic_weight)
            return self._combined.documents(scored, bounds, topic)
        if topic_weight is not None:
            raise ValueError("topic_weight needs a topic: give about")
        wanted = self._wanted(query, k, where, score_threshold, exact)
        records, hits = self._find_documents(wanted)
        if k is not None:  # the look-up stopped at k documents; list every mention of those
            hits = self._all_mentions(records.values(), wanted.vector)
        by_document: dict[str, list[Hit]] = {}
        for key, similarity in sorted(hits, key=lambda hit: -hit[1]):
            by_document.setdefault(key.doc_id, []).append((key, similarity))
        return [
            self._document_match(records[doc_id], found, wanted)
            for doc_id, found in by_document.items()
        ]

    def mentions(
        self,
        query: Query,
        k: int | None,
        where: Mapping[str, Any] | None,
        score_threshold: float | None,
        exact: bool,
    ) -> list[MentionMatch]:
        """The best k mentions, or all above the threshold; best first."""
        if is_combined(check_query(query)):
            bounds = _bounds(k, where, score_threshold, exact)
            return self._combined.mentions(self._scored(query), bounds)
        wanted = self._wanted(query, k, where, score_threshold, exact)
        records: dict[str, StoredDocument] = {}
        live: list[Hit] = []
        for hits, exhausted in self._widening_hits(wanted, first=k or 1_000):
            records = self._store.fetch(dict.fromkeys(key.doc_id for key, _ in hits))
            live = [hit for hit in hits if _is_live(hit[0], records)]
            if exhausted or (k is not None and len(live) >= k):
                break
        return self._mention_matches(live[:k], records, wanted)

    def extract(
        self,
        types: object,
        score_threshold: float,
        where: Mapping[str, Any] | None,
        all_types: bool,
        overlapping: bool,
    ) -> Iterator[MentionMatch]:
        """Every mention of some types, document by document."""
        wanted = check_types(types)
        bounds = _bounds(None, where, score_threshold, exact=True)
        return extract(
            self._store,
            self.encoder,
            wanted,
            self._vector,
            score_threshold=bounds.threshold,
            where=where,
            all_types=all_types,
            overlapping=overlapping,
        )

    def facets(
        self, n: int, where: Mapping[str, Any] | None, examples: int, least_score: float
    ) -> list[Facet]:
        """The most frequent kinds of entity."""
        for name, value, least in (("n", n, 1), ("examples", examples, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}, not {value!r}"
                )
        if not 0 < least_score < 1:
            raise ValueError(f"least_score must be between 0 and 1, not {least_score!r}")
        return count_facets(self._store, self.encoder, n, where, examples, least_score)

    def _vector(self, leaf: Leaf) -> NDArray[np.float32]:
        return type_vector(leaf, self.encoder, self._example_vector)

    def _scored(self, query: Query) -> ScoredQuery:
        return ScoredQuery(check_query(query), self.encoder, self._vector)

    def _wanted(
        self,
        query: Query,
        k: int | None,
        where: Mapping[str, Any] | None,
        score_threshold: float | None,
        exact: bool,
    ) -> Wanted:
        """Check a search's arguments and encode its type description."""
        bounds = _bounds(k, where, score_threshold, exact)
        assert isinstance(query, Leaf)
        vector = self._vector(query)
        match_floor = self.encoder.similarity_at(vector, bounds.threshold)
        floor = match_floor if bounds.floor > 0 else float("-inf")
        return Wanted(label(query), vector, k, where, floor, match_floor, exact)

    def _find_documents(self, wanted: Wanted) -> tuple[dict[str, StoredDocument], list[Hit]]:
        """The best k documents, and the hits that found them (all hits where k is None)."""
        k = wanted.k
        records: dict[str, StoredDocument] = {}
        hits: list[Hit] = []
        for hits, exhausted in self._widening_hits(wanted, first=_FIRST_LOOK * (k or 64)):
            doc_ids = list(dict.fromkeys(key.doc_id for key, _ in hits))
            if k is not None and len(doc_ids) < k and not exhausted:
                continue
            # A few more than k: some may have been replaced or deleted this very moment.
            records = self._store.fetch(doc_ids[: k and k + 8])
            hits = [hit for hit in hits if _is_live(hit[0], records)]
            live = list(dict.fromkeys(key.doc_id for key, _ in hits))
            if exhausted or (k is not None and len(live) >= k):
                records = {doc_id: records[doc_id] for doc_id in live[:k]}
                break
        return records, hits

    def _widening_hits(self, wanted: Wanted, first: int) -> Iterator[tuple[list[Hit], bool]]:
        """Ever more of the nearest mentions, and whether there are no others to be had."""
        if wanted.exact:
            yield self._scan(wanted), True
            return
        n = first
        while True:
            found = self._store.nearest(wanted.vector, n, wanted.where)
            hits = [hit for hit in found if hit[1] >= wanted.floor]
            exhausted = len(hits) < n
            yield hits, exhausted
            if exhausted:
                return
            n *= 4

    def _scan(self, wanted: Wanted) -> list[Hit]:
        """Compare with every mention."""
        hits = [
            (key, float(similarity))
            for keys, vectors in self._store.scan(wanted.where)
            for key, similarity in zip(keys, vectors @ wanted.vector, strict=True)
            if similarity >= wanted.floor
        ]
        return sorted(hits, key=lambda hit: -hit[1])

    def _all_mentions(
        self, records: Iterable[StoredDocument], vector: NDArray[np.float32]
    ) -> list[Hit]:
        """Every mention of some documents with its cosine."""
        vectors = self._store.vectors([each for one in records for each in one.mention_ids])
        if not vectors:
            return []
        similarities = np.stack(list(vectors.values())) @ vector
        return list(zip(map(MentionKey.parse, vectors), map(float, similarities), strict=True))

    def _document_match(
        self, record: StoredDocument, hits: list[Hit], wanted: Wanted
    ) -> DocumentMatch:
        shown = [hit for hit in hits if hit[1] >= wanted.match_floor] or hits[:1]
        matches = self._mention_matches(shown, {record.document.id: record}, wanted)
        return DocumentMatch(record.document, matches[0].score, matches)

    def _mention_matches(
        self, hits: Sequence[Hit], records: Mapping[str, StoredDocument], wanted: Wanted
    ) -> list[MentionMatch]:
        similarities = np.asarray([similarity for _, similarity in hits], dtype=np.float32)
        scores = self.encoder.score(wanted.vector, similarities)
        return [
            MentionMatch(
                key.doc_id,
                records[key.doc_id].document.text[key.start : key.end],
                key.start,
                key.end,
                float(score),
                similarity,
                wanted.type,
            )
            for (key, similarity), score in zip(hits, scores, strict=True)
        ]


def _is_live(key: MentionKey, records: Mapping[str, StoredDocument]) -> bool:
    """Whether a mention belongs to the current version of its document."""
    return key.doc_id in records and records[key.doc_id].version == key.version


def _bounds(
    k: int | None, where: Mapping[str, Any] | None, score_threshold: float | None, exact: bool
) -> Bounds:
    """Check a search's bounds and fill in the defaults."""
    if k is not None and (not isinstance(k, int) or isinstance(k, bool) or k <= 0):
        raise ValueError(f"k must be a positive whole number or None, not {k!r}")
    if score_threshold is not None and not 0 <= score_threshold <= 1:
        raise ValueError(f"score_threshold must be in [0, 1], not {score_threshold!r}")
    threshold = DEFAULT_THRESHOLD if score_threshold is None else score_threshold
    unbounded = k is not None and score_threshold is None
    return Bounds(k, where, 0.0 if unbounded else threshold, threshold, exact)
