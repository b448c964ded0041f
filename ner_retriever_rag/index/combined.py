"""Search for several types at once, and for a type and a topic.

The best documents for a combination are among the best for its parts. Each round fetches more of
the nearest mentions of every type (and of the nearest texts, where there is a topic), scores the
documents they belong to on all parts, and works out how high a document could score that no list
has shown yet. Once that is no higher than what was found, the answer is complete (the threshold
algorithm of Fagin, Lotem and Naor 2003).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.store import MentionKey, Store, StoredDocument
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.queries.topic import Topic
from ner_retriever_rag.schema import DocumentMatch, MentionMatch

_FIRST_LOOK = 64  # mentions fetched for each type, at least
_PAGE = 2_000  # documents scored at once
_MOST_CANDIDATES = 5_000  # an approximate search for k results stops widening here


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far to search.

    Attributes:
        k: How many results, None for all.
        where: Metadata filter.
        floor: Least score of a result.
        threshold: Least score of a mention that is listed.
        exact: Look at everything.
    """

    k: int | None
    where: Mapping[str, Any] | None
    floor: float
    threshold: float
    exact: bool


class CombinedSearch:
    """Searches a store for combined queries.

    Args:
        store: Where the mentions are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def documents(
        self, query: ScoredQuery, bounds: Bounds, topic: Topic | None
    ) -> list[DocumentMatch]:
        """The best documents, best first.

        Args:
            query: What is looked for.
            bounds: How far.
            topic: What the documents should be about.
        """
        scores: dict[str, float] = {}
        for doc_ids, unseen in self._document_rounds(query, bounds, topic):
            fresh = [doc_id for doc_id in doc_ids if doc_id not in scores]
            scores.update(self._document_scores(fresh, query, topic))
            if _complete(scores, unseen, bounds):
                break
        best = _best(scores, bounds)
        records = self._store.fetch(best)
        vectors = self._store.vectors(
            [each for one in records.values() for each in one.mention_ids]
        )
        return [
            replace(
                query.document_match(
                    records[doc_id].document,
                    records[doc_id].spans,
                    _rows(records[doc_id], vectors),
                    bounds.threshold,
                ),
                score=scores[doc_id],
            )
            for doc_id in best
            if doc_id in records and vectors.keys() >= set(records[doc_id].mention_ids)
        ]

    def mentions(self, query: ScoredQuery, bounds: Bounds) -> list[MentionMatch]:
        """The best mentions, best first; the rule is applied to each mention by itself.

        Args:
            query: What is looked for.
            bounds: How far.
        """
        if query.highest([0.0] * len(query.leaves)) > 0:
            raise ValueError("query: a mention cannot be found by Not alone; add a type it is of")
        scores: dict[str, float] = {}
        for mention_ids, unseen in self._mention_rounds(query, bounds):
            fresh = [each for each in mention_ids if each not in scores]
            vectors = self._live(self._store.vectors(fresh))
            if vectors:
                probabilities, _ = query.probabilities(np.stack(list(vectors.values())))
                combined = query.combine(probabilities).tolist()
                scores.update(zip(vectors, combined, strict=True))
            if _complete(scores, unseen, bounds):
                break
        return self._mention_matches(_best(scores, bounds), scores, query)

    def _document_rounds(
        self, query: ScoredQuery, bounds: Bounds, topic: Topic | None
    ) -> Iterator[tuple[Iterable[str], float]]:
        """Candidates, more in each round, and the highest score a document not shown can have."""
        everything = bounds.exact or query.highest([0.0] * len(query.leaves)) > 0
        if everything:
            yield self._store.texts.ids(bounds.where), 0.0
            return
        for hits, unseen, n in self._rounds(query, bounds):
            doc_ids = [key.doc_id for key, _ in hits]
            if topic is not None:
                near = self._store.texts.nearest(topic.vector, n, bounds.where)
                doc_ids += [doc_id for doc_id, _ in near]
                unseen = topic.combine(unseen, near[-1][1] if len(near) == n else 0.0)
            yield dict.fromkeys(doc_ids), unseen

    def _mention_rounds(
        self, query: ScoredQuery, bounds: Bounds
    ) -> Iterator[tuple[Iterable[str], float]]:
        if bounds.exact:
            for keys, _ in self._store.scan(bounds.where):
                yield map(str, keys), 1.0
            return
        for hits, unseen, _ in self._rounds(query, bounds):
            yield dict.fromkeys(str(key) for key, _ in hits), unseen

    def _rounds(
        self, query: ScoredQuery, bounds: Bounds
    ) -> Iterator[tuple[list[tuple[MentionKey, float]], float, int]]:
        """The n nearest mentions of every type, the bound for all others, and n; n grows."""
        n = max(_FIRST_LOOK, 4 * (bounds.k or 0))
        exhausted = False
        while not exhausted:
            hits: list[tuple[MentionKey, float]] = []
            highest: list[float] = []
            for row, vector in enumerate(query.vectors):
                near = self._store.nearest(vector, n, bounds.where)
                hits += near
                highest.append(query.score_at(row, near[-1][1]) if len(near) == n else 0.0)
            exhausted = not any(highest)
            yield hits, query.highest(highest), n
            n *= 4

    def _document_scores(
        self, doc_ids: Sequence[str], query: ScoredQuery, topic: Topic | None
    ) -> Iterator[tuple[str, float]]:
        """The scores of documents; one without mentions counts only where the query says so."""
        without = query.highest([0.0] * len(query.leaves))
        for start in range(0, len(doc_ids), _PAGE):
            records = self._store.fetch(doc_ids[start : start + _PAGE])
            kept = {doc_id: each for doc_id, each in records.items() if each.spans or without > 0}
            if not kept:
                continue
            scores = query.combine(self._best_probabilities(list(kept.values()), query))
            if topic is not None:
                texts = self._store.texts.vectors(list(kept))
                about = [float(texts[each] @ topic.vector) if each in texts else 0 for each in kept]
                scores = topic.combine(scores, np.asarray(about, dtype=np.float32))
            yield from zip(kept, scores.tolist(), strict=True)

    def _best_probabilities(
        self, records: Sequence[StoredDocument], query: ScoredQuery
    ) -> NDArray[np.float32]:
        """The best mention's probability of every type in every document, ``(types, n)``."""
        place = {each: number for number, one in enumerate(records) for each in one.mention_ids}
        vectors = self._store.vectors(list(place))
        best = np.zeros((len(query.leaves), len(records)), dtype=np.float32)
        if vectors:
            probabilities, _ = query.probabilities(np.stack(list(vectors.values())))
            columns = [place[each] for each in vectors]
            for row, of_type in zip(best, probabilities, strict=True):
                np.maximum.at(row, columns, of_type)
        return best

    def _live(self, vectors: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Leave out mentions of versions that have been replaced."""
        records = self._store.fetch(
            dict.fromkeys(MentionKey.parse(each).doc_id for each in vectors)
        )
        live = {each for record in records.values() for each in record.mention_ids}
        return {each: vector for each, vector in vectors.items() if each in live}

    def _mention_matches(
        self, mention_ids: Sequence[str], scores: Mapping[str, float], query: ScoredQuery
    ) -> list[MentionMatch]:
        vectors = self._store.vectors(mention_ids)
        keys = {each: MentionKey.parse(each) for each in mention_ids}
        records = self._store.fetch(dict.fromkeys(key.doc_id for key in keys.values()))
        matches = []
        for mention_id, key in keys.items():
            if mention_id in vectors and key.doc_id in records:
                probabilities, similarities = query.probabilities(vectors[mention_id][None])
                row = query.best_wanted(probabilities[:, 0])
                document, span = records[key.doc_id].document, (key.start, key.end)
                score, similarity = scores[mention_id], similarities[row, 0]
                matches.append(query.mention_match(document, span, row, score, similarity))
        return matches


def _complete(scores: Mapping[str, float], unseen: float, bounds: Bounds) -> bool:
    """Whether nothing that no list has shown yet can belong to the result."""
    if unseen < bounds.floor:
        return True
    if bounds.k is None or len(scores) < bounds.k:
        return False
    kth = sorted(scores.values(), reverse=True)[bounds.k - 1]
    return unseen <= kth or (not bounds.exact and len(scores) >= _MOST_CANDIDATES)


def _best(scores: Mapping[str, float], bounds: Bounds) -> list[str]:
    passing = [each for each, score in scores.items() if score >= bounds.floor]
    return sorted(passing, key=lambda each: (-scores[each], each))[: bounds.k]


def _rows(
    record: StoredDocument, vectors: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    if not record.spans:
        return np.zeros((0, 0), dtype=np.float32)
    return np.stack([vectors[each] for each in record.mention_ids])
