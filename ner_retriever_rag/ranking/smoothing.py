"""Kernel smoothing (Nadaraya 1964, Watson 1964): what neighbours say of a candidate counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery, Wanted
from ner_retriever_rag.schema import PRIORITY_BITS, Candidates

_PRIORITY_BITS = np.uint64(PRIORITY_BITS)
_CERTAIN = 30.0  # log odds stay within
_SAMPLED = 128  # of the last tenth that are smoothed for others
_BLOCK = 1_024  # candidates smoothed at once


@dataclass(frozen=True, slots=True)
class SameNameSmoothing:
    """Gives a candidate the mean log odds of candidates of the same name, its own among them.

    A sentence may say little of "Lukanov", another that names him more: most names mean one thing
    in a corpus (one sense a collection: Gale, Church and Yarowsky 1992, Yarowsky 1995). Only those
    count whose vectors agree, or the river Amazon would be smoothed with the company. A name may
    have thousands of mentions: each is compared with some, next to it in the order of their
    priorities, which are random.

    Only the best candidates are smoothed, among themselves, so that their log odds do not depend on
    how many others were fetched.

    Attributes:
        neighbors_per_side: Candidates before it and after it in that order.
        min_cosine: Cosine of two that mean the same.
        best: How many are the best.
    """

    neighbors_per_side: int
    min_cosine: float
    best: int

    sharpens: ClassVar[bool] = True
    needs_calibration: ClassVar[bool] = False

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds, smoothed over candidates that share a name."""
        names, priorities = candidates.names, candidates.priorities
        ranked = largest(log_odds, self.best)
        # By name and priority: in one number, which is sorted in a tenth of the time.
        priority = (priorities[ranked] * np.float32(2**PRIORITY_BITS) - 1).astype(np.uint64)
        order = ranked[np.argsort(names[ranked] >> _PRIORITY_BITS << _PRIORITY_BITS | priority)]
        same = names[order[1:]] == names[order[:-1]]
        order = order[np.append(same, False) | np.append(False, same)]  # those that share a name
        own, name = log_odds[order].astype(np.float64), names[order]
        vectors = candidates.vectors[order]
        sums, counts = own.copy(), np.ones(len(own))
        for apart in range(1, self.neighbors_per_side + 1):
            agree = np.einsum("nd,nd->n", vectors[apart:], vectors[:-apart]) >= self.min_cosine
            first = np.flatnonzero(agree & (name[apart:] == name[:-apart]))
            second = first + apart
            sums[first] += own[second]
            sums[second] += own[first]
            counts[first] += 1
            counts[second] += 1
        smoothed = log_odds.copy()
        smoothed[order] = sums / counts
        return smoothed


@dataclass(frozen=True, slots=True)
class NeighborSmoothing:
    """Counts in the probability that is usual among a candidate's neighbours.

    A mention among likely rivers is likelier a river than one among lakes, however near both are to
    "river". So every candidate has a kernel-weighted mean of its neighbours' probabilities, whose
    log odds are added to a part of its own. The best candidates are the neighbours; all others are
    represented by the background sample, or a type would seem the more frequent the larger the
    index. So scores do not depend on how many candidates were fetched beyond these, of which a
    cosine says less than their neighbours do: their own log odds drop. Among few candidates the
    neighbours may all be of other types, so the calibration's sample of mentions of all kinds
    counts with them.

    Attributes:
        bandwidth: Cosine by which a neighbour's weight falls to 1/e.
        own_weight: Weight of a candidate's own probability; a neighbour in its place has 1.
        own_part: Share of its own log odds that is added to the neighbours'.
        cutoff: Rank after which candidates are not smoothed.
        neighbors: The best candidates, so many, are the neighbours.
        drop: Log odds by which those after the neighbours are below the last of these, at least.
        background_weight: Weight of each other candidate.
        few: Candidates; among fewer, the calibration's sample counts.
        sample: How many of it.
        sample_weight: Weight of each among very few candidates; it falls to 0 at ``few``.
        floor: Log odds below which candidates are not smoothed, as after ``cutoff``; of them is
            assumed what is said of the last tenth that are.
    """

    bandwidth: float
    own_weight: float
    own_part: float
    cutoff: int
    neighbors: int
    drop: float
    background_weight: float
    few: int
    sample: int
    sample_weight: float
    floor: float

    sharpens: ClassVar[bool] = True
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds, smoothed."""
        odds = np.clip(log_odds.astype(np.float64), -_CERTAIN, _CERTAIN)
        ranking = largest(log_odds, self.cutoff)
        reached = odds[ranking[: self.neighbors][-1]]
        odds = np.where(odds < reached, np.minimum(odds, reached - self.drop), odds)
        smoothed, last = self._smoothed_ranks(ranking, odds, query.wanted)
        neighbors = self._neighbors(query, candidates, odds, ranking[: self.neighbors])
        rows = ranking[smoothed]
        usual = self._log_odds_among(neighbors, candidates, rows, odds[rows])
        result = self.own_part * odds + np.minimum(odds, np.median(usual[smoothed >= last]))
        result[rows] = self.own_part * odds[rows] + usual
        return result

    def _smoothed_ranks(
        self, ranking: NDArray[np.intp], odds: NDArray[np.float64], wanted: Wanted | None
    ) -> tuple[NDArray[np.intp], int]:
        """The ranks that are smoothed, rising, and where the last tenth above the floor begins.

        Some of that tenth always are: they stand for all others.
        """
        above = max(1, int((odds[ranking] > self.floor).sum()))
        last = above - (above // 10 + 1)
        if wanted is None:
            return np.arange(above), last
        best = np.flatnonzero(wanted.mask[ranking[:above]])[: wanted.most]
        return np.union1d(best, np.arange(last, above, 1 + (above - last) // _SAMPLED)), last

    def _neighbors(
        self,
        query: TypeQuery,
        candidates: Candidates,
        odds: NDArray[np.float64],
        best: NDArray[np.intp],
    ) -> Neighbors:
        """Those that count: the best, and samples that stand for all others."""
        scale, background = query.scale, candidates.background
        neighbors = Neighbors(
            candidates.priorities[best],
            candidates.vectors[best],
            _chances(odds[best]).astype(np.float32),
            np.ones(len(best), dtype=np.float32),
        )
        if background.count < self.few:
            sample = scale.sample[: self.sample]
            weight = self.sample_weight * (1 - background.count / self.few)
            log_odds = scale.log_odds(sample @ query.vector)
            neighbors = neighbors.joined_by(np.zeros(len(sample)), sample, log_odds, weight)
        if background.count > len(best):
            others = ~np.isin(background.priorities, candidates.priorities[best])
            priorities, far = background.priorities[others], background.vectors[others]
            each = self.background_weight * (background.count - len(best)) / max(1, len(far))
            log_odds = scale.log_odds(far @ query.vector)
            neighbors = neighbors.joined_by(priorities, far, log_odds, each)
        return neighbors

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
        sums = self.own_weight * _chances(odds)
        vectors, priorities = candidates.vectors[rows], candidates.priorities[rows]
        nearness = neighbors.vectors.T / np.float32(self.bandwidth)
        for start in range(0, len(vectors), _BLOCK):
            some = slice(start, start + _BLOCK)
            weights = vectors[some] @ nearness
            weights -= np.float32(1 / self.bandwidth)
            np.exp(weights, out=weights)
            # A candidate's weight on itself is its own weight, no more.
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
        priorities: float32 ``(v,)``, of candidates their priority, which tells one from another;
            0 of others.
        vectors: float32 ``(v, dim)``, L2-normalised.
        chances: float32 ``(v, 2)``, their probability and the rest.
        counts: float32 ``(v,)``, how many candidates each counts for.
    """

    priorities: NDArray[np.float32]
    vectors: NDArray[np.float32]
    chances: NDArray[np.float32]
    counts: NDArray[np.float32]

    def joined_by(
        self,
        priorities: NDArray[np.floating],
        vectors: NDArray[np.float32],
        log_odds: NDArray[np.floating],
        count: float,
    ) -> Neighbors:
        """The same, and others.

        Args:
            priorities: ``(m,)``, theirs, or 0.
            vectors: float32 ``(m, dim)``, theirs, L2-normalised.
            log_odds: float ``(m,)``, theirs.
            count: How many candidates each counts for.
        """
        chances = _chances(np.clip(log_odds.astype(np.float64), -_CERTAIN, _CERTAIN))
        return Neighbors(
            np.append(self.priorities, priorities.astype(np.float32)),
            np.concatenate([self.vectors, vectors]),
            np.concatenate([self.chances, chances.astype(np.float32)]),
            np.append(self.counts, np.full(len(vectors), count, dtype=np.float32)),
        )


def _chances(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability and the rest, float64 ``(n, 2)``, of log odds."""
    return 1.0 / (1.0 + np.exp(np.stack([-odds, odds], axis=1)))
