"""Kernel smoothing of probabilities over neighboring candidates (Nadaraya 1964, Watson 1964)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery, Wanted
from ner_retriever_rag.schema import Candidates

_MAX_LOG_ODDS = 30.0  # log odds are clipped to this magnitude
_SAMPLED = 128  # approximate number of candidates smoothed in the last tenth, on behalf of others
_BLOCK = 1_024  # candidates smoothed at once


@dataclass(frozen=True, slots=True)
class NeighborSmoothing:
    """Adds the log odds of the mean probability among a candidate's neighbors to its own.

    A mention among likely rivers is more likely a river than one among lakes, however close both
    are to "river". So each candidate gets the kernel-weighted mean of its neighbors' probabilities,
    and the log odds of that mean are added to a share of its own. The neighbors are the best
    candidates; all others are represented by the background sample, since otherwise a type would
    seem more frequent the larger the index. Scores therefore do not depend on how many candidates
    were fetched beyond the neighbors. For these further candidates, the cosine is less informative
    than the neighbors, so their own log odds are lowered. A candidate counts once among its own
    neighbors.

    Attributes:
        bandwidth: Decrease in cosine over which a neighbor's weight falls to 1/e.
        self_weight: Share of a candidate's own log odds that is added to those of the mean.
        neighbors: Number of best candidates that serve as neighbors.
        drop: Minimum distance, in log odds, of the candidates after the neighbors below the last
            neighbor.
        background_weight: Weight of each other candidate, relative to a neighbor's 1.
        cutoff: Rank after which candidates are not smoothed; they are assigned the median of the
            last tenth of those that are, if that is lower than their own log odds.
    """

    bandwidth: float
    self_weight: float
    neighbors: int
    drop: float
    background_weight: float
    cutoff: int

    sharpens: ClassVar[bool] = True
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """Smooth the log odds."""
        odds = np.clip(log_odds.astype(np.float64), -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
        ranking = largest(log_odds, self.cutoff)
        reached = odds[ranking[: self.neighbors][-1]]
        odds = np.where(odds < reached, np.minimum(odds, reached - self.drop), odds)
        smoothed, last = _smoothed_ranks(ranking, query.wanted)
        neighbors = self._neighbors(query, candidates, odds, ranking[: self.neighbors])
        rows = ranking[smoothed]
        usual = self._log_odds_among(neighbors, candidates, rows, odds[rows])
        result = self.self_weight * odds + np.minimum(odds, np.median(usual[smoothed >= last]))
        result[rows] = self.self_weight * odds[rows] + usual
        return result

    def _neighbors(
        self,
        query: TypeQuery,
        candidates: Candidates,
        odds: NDArray[np.float64],
        best: NDArray[np.intp],
    ) -> Neighbors:
        """Collect the neighbors: the best, and the background sample on behalf of all others."""
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
            log_odds = np.append(log_odds, np.clip(of_far, -_MAX_LOG_ODDS, _MAX_LOG_ODDS))
            counts = np.append(counts, np.full(len(far), each, dtype=np.float32))
        return Neighbors(priorities, vectors, _probabilities(log_odds).astype(np.float32), counts)

    def _log_odds_among(
        self,
        neighbors: Neighbors,
        candidates: Candidates,
        rows: NDArray[np.intp],
        odds: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The log odds of the mean probability around candidates, float64 ``(m,)``.

        Args:
            neighbors: The neighbors whose probabilities are averaged.
            candidates: All candidates.
            rows: ``(m,)``, numbers of the candidates to smooth.
            odds: float64 ``(m,)``, their log odds.
        """
        sums = _probabilities(odds)
        vectors, priorities = candidates.vectors[rows], candidates.priorities[rows]
        nearness = neighbors.vectors.T / np.float32(self.bandwidth)
        for start in range(0, len(vectors), _BLOCK):
            some = slice(start, start + _BLOCK)
            weights = vectors[some] @ nearness
            weights -= np.float32(1 / self.bandwidth)
            np.exp(weights, out=weights)
            # A candidate's own probability is already in the sums.
            _, selves, there = np.intersect1d(
                priorities[some], neighbors.priorities, return_indices=True
            )
            weights[selves, there] = 0
            weights *= neighbors.counts
            sums[some] += weights @ neighbors.probabilities
        among: NDArray[np.float64] = np.log(sums[:, 0]) - np.log(sums[:, 1])
        return among


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The neighbors whose probabilities are averaged.

    Attributes:
        priorities: float32 ``(v,)``, which identify candidates.
        vectors: float32 ``(v, dim)``, L2-normalized.
        probabilities: float32 ``(v, 2)``, their probabilities p and 1 - p.
        counts: float32 ``(v,)``, the number of candidates each stands for.
    """

    priorities: NDArray[np.float32]
    vectors: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    counts: NDArray[np.float32]


def _smoothed_ranks(
    ranking: NDArray[np.intp], wanted: Wanted | None
) -> tuple[NDArray[np.intp], int]:
    """The ranks to smooth, ascending, and the rank where the last tenth begins.

    Some of the last tenth are always smoothed, on behalf of all candidates that are not.
    """
    last = len(ranking) - (len(ranking) // 10 + 1)
    if wanted is None:
        return np.arange(len(ranking)), last
    best = np.flatnonzero(wanted.mask[ranking])[: wanted.limit]
    some = np.arange(last, len(ranking), 1 + (len(ranking) - last) // _SAMPLED)
    return np.union1d(best, some), last


def _probabilities(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities p and 1 - p, float64 ``(n, 2)``, of log odds."""
    return 1.0 / (1.0 + np.exp(np.stack([-odds, odds], axis=1)))
