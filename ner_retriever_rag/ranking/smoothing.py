"""Kernel smoothing (Nadaraya 1964, Watson 1964): what neighbours say of a candidate counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery, Wanted
from ner_retriever_rag.schema import Candidates

_CERTAIN = 30.0  # log odds stay within
_SAMPLED = 128  # of the last tenth that are smoothed for others
_BLOCK = 1_024  # candidates smoothed at once


@dataclass(frozen=True, slots=True)
class NeighborSmoothing:
    """Counts in the probability that is usual among a candidate's neighbours.

    A mention among likely rivers is likelier a river than one among lakes, however near both are to
    "river". So every candidate has a kernel-weighted mean of its neighbours' probabilities, whose
    log odds are added to a part of its own. The best candidates are the neighbours; all others are
    represented by the background sample, or a type would seem the more frequent the larger the
    index. So scores do not depend on how many candidates were fetched beyond these, of which a
    cosine says less than their neighbours do: their own log odds drop. A candidate counts among its
    neighbours, once.

    Attributes:
        bandwidth: Cosine by which a neighbour's weight falls to 1/e.
        own_part: Share of its own log odds that is added to the neighbours'.
        neighbors: The best candidates, so many, are the neighbours.
        drop: Log odds by which those after the neighbours are below the last of these, at least.
        background_weight: Weight of each other candidate.
        cutoff: Rank after which candidates are not smoothed; of them is assumed what is said of the
            last tenth that are.
    """

    bandwidth: float
    own_part: float
    neighbors: int
    drop: float
    background_weight: float
    cutoff: int

    sharpens: ClassVar[bool] = True
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds, smoothed."""
        odds = np.clip(log_odds.astype(np.float64), -_CERTAIN, _CERTAIN)
        ranking = largest(log_odds, self.cutoff)
        reached = odds[ranking[: self.neighbors][-1]]
        odds = np.where(odds < reached, np.minimum(odds, reached - self.drop), odds)
        smoothed, last = _smoothed_ranks(ranking, query.wanted)
        neighbors = self._neighbors(query, candidates, odds, ranking[: self.neighbors])
        rows = ranking[smoothed]
        usual = self._log_odds_among(neighbors, candidates, rows, odds[rows])
        result = self.own_part * odds + np.minimum(odds, np.median(usual[smoothed >= last]))
        result[rows] = self.own_part * odds[rows] + usual
        return result

    def _neighbors(
        self,
        query: TypeQuery,
        candidates: Candidates,
        odds: NDArray[np.float64],
        best: NDArray[np.intp],
    ) -> Neighbors:
        """Those that count: the best, and the background sample, which stands for all others."""
        scale, background = query.scale, candidates.background
        priorities, vectors = candidates.priorities[best], candidates.vectors[best]
        log_odds, counts = odds[best], np.ones(len(best), dtype=np.float32)
        if background.count > len(best):
            others = ~np.isin(background.priorities, priorities)
            far = background.vectors[others]
            each = self.background_weight * (background.count - len(best)) / max(1, len(far))
            of_far = scale.log_odds(far @ query.vector).astype(np.float64)
            priorities = np.append(priorities, background.priorities[others])
            vectors = np.concatenate([vectors, far])
            log_odds = np.append(log_odds, np.clip(of_far, -_CERTAIN, _CERTAIN))
            counts = np.append(counts, np.full(len(far), each, dtype=np.float32))
        return Neighbors(priorities, vectors, _chances(log_odds).astype(np.float32), counts)

    def _log_odds_among(
        self,
        neighbors: Neighbors,
        candidates: Candidates,
        rows: NDArray[np.intp],
        odds: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The log odds of the mean probability around candidates, float64 ``(m,)``.

        Args:
            neighbors: Whose probabilities.
            candidates: All of them.
            rows: ``(m,)``, numbers of those that are smoothed.
            odds: float64 ``(m,)``, theirs.
        """
        sums = _chances(odds)
        vectors, priorities = candidates.vectors[rows], candidates.priorities[rows]
        nearness = neighbors.vectors.T / np.float32(self.bandwidth)
        for start in range(0, len(vectors), _BLOCK):
            some = slice(start, start + _BLOCK)
            weights = vectors[some] @ nearness
            weights -= np.float32(1 / self.bandwidth)
            np.exp(weights, out=weights)
            # What a candidate says of itself is in the sums already.
            _, selves, there = np.intersect1d(
                priorities[some], neighbors.priorities, return_indices=True
            )
            weights[selves, there] = 0
            weights *= neighbors.counts
            sums[some] += weights @ neighbors.chances
        among: NDArray[np.float64] = np.log(sums[:, 0]) - np.log(sums[:, 1])
        return among


@dataclass(frozen=True, slots=True)
class Neighbors:
    """Those whose probabilities are averaged.

    Attributes:
        priorities: float32 ``(v,)``, which tell one candidate from another.
        vectors: float32 ``(v, dim)``, L2-normalised.
        chances: float32 ``(v, 2)``, their probability and the rest.
        counts: float32 ``(v,)``, how many candidates each counts for.
    """

    priorities: NDArray[np.float32]
    vectors: NDArray[np.float32]
    chances: NDArray[np.float32]
    counts: NDArray[np.float32]


def _smoothed_ranks(
    ranking: NDArray[np.intp], wanted: Wanted | None
) -> tuple[NDArray[np.intp], int]:
    """The ranks that are smoothed, rising, and where the last tenth begins.

    Some of that tenth always are: they stand for all others.
    """
    last = len(ranking) - (len(ranking) // 10 + 1)
    if wanted is None:
        return np.arange(len(ranking)), last
    best = np.flatnonzero(wanted.mask[ranking])[: wanted.most]
    some = np.arange(last, len(ranking), 1 + (len(ranking) - last) // _SAMPLED)
    return np.union1d(best, some), last


def _chances(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability and the rest, float64 ``(n, 2)``, of log odds."""
    return 1.0 / (1.0 + np.exp(np.stack([-odds, odds], axis=1)))
