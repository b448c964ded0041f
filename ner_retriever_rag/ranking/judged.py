"""What a user has judged of a type's answers, counted in.

A few judgements say how far the log odds of this type are off in this corpus, and what the right
answers are like. So three numbers are fitted: a slope and an offset of the log odds (Platt 1999),
and the weight of a kernel estimate of the odds among judged mentions near by (Nadaraya 1964, Watson
1964). A normal prior on each holds them where a few judgements say little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.schema import Candidates

# Chosen on the seven choosing domain sets: F1 of k=None after 20 judgements of documents among the
# first 100, 300 and 1,500 texts a set (benchmarks/results/training.md, "Judgements").
BANDWIDTH = 0.08  # cosine
UNKNOWN = 0.1  # of a judged mention's own weight of 1: what is right and wrong far from all
PRIOR = np.array([1.3, 0.0, 1.5])  # slope, offset in log odds, weight of the neighbours
PRIOR_DEVIATION = np.array([0.5, 2.0, 0.3])
SAME = 0.9995  # cosine from which a mention is the one judged: vectors are kept in float32
CERTAIN = 6.0  # log odds of the mentions judged themselves
_BOUND = 12.0  # log odds beyond which one judgement would move the fit alone
_STEPS, _SMALL = 50, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """Mentions that were judged for one type.

    Attributes:
        vectors: float32 ``(n, dim)``, L2-normalised.
        log_odds: float32 ``(n,)``, what the other stages of ranking made of them.
        right: bool ``(n,)``, whether they are of the type.
        telling: bool ``(n,)``, whether they say something of others; not so the lesser mentions
            of a document judged wrong as a whole, whose mentions were not judged one by one.
    """

    vectors: NDArray[np.float32]
    log_odds: NDArray[np.float32]
    right: NDArray[np.bool_]
    telling: NDArray[np.bool_]

    def told(self) -> Judgements:
        """Those that say something of others."""
        return Judgements(
            self.vectors[self.telling],
            self.log_odds[self.telling],
            self.right[self.telling],
            self.telling[self.telling],
        )


@dataclass(frozen=True, slots=True, eq=False)
class JudgedType:
    """A type with judgements.

    Attributes:
        judgements: One or more.
        weights: float64 ``(3,)``: slope, offset, weight of the neighbours.
    """

    judgements: Judgements
    weights: NDArray[np.float64]

    @classmethod
    def fit(cls, judgements: Judgements) -> JudgedType:
        """Fit the weights by maximum a posteriori; a judgement does not count as its own neighbour.

        Args:
            judgements: One or more.
        """
        told = judgements.told()
        features = _features(told.vectors, told.log_odds, told, itself=False)
        signs = np.where(told.right, 1.0, -1.0)
        precision = 1 / PRIOR_DEVIATION**2

        def loss(weights: NDArray[np.float64]) -> float:
            likelihood = np.logaddexp(0, -signs * (features @ weights)).sum()
            return float(likelihood + (precision * (weights - PRIOR) ** 2).sum() / 2)

        weights = PRIOR.copy()
        for _ in range(_STEPS):
            said = _probability(features @ weights)
            slope = features.T @ (told.right - said) - precision * (weights - PRIOR)
            curve = (features.T * (said * (1 - said))) @ features + np.diag(precision)
            step = np.linalg.solve(curve, slope)
            while loss(weights + step) > loss(weights) and np.abs(step).max() > _SMALL:
                step /= 2  # Newton's step goes too far where nearly all is sure
            weights = weights + step
            if np.abs(step).max() <= _SMALL:
                break
        return cls(judgements, weights)

    def log_odds(self, vectors: NDArray[np.float32], log_odds: LogOdds) -> LogOdds:
        """The log odds of mentions with what was judged counted in, float64 ``(m,)``.

        Mentions that were judged themselves are as judged.

        Args:
            vectors: float32 ``(m, dim)``, L2-normalised.
            log_odds: float ``(m,)``, without judgements.
        """
        found = _features(vectors, log_odds, self.judgements.told()) @ self.weights
        cosines = vectors @ self.judgements.vectors.T
        nearest = cosines.argmax(axis=1)
        known = cosines[np.arange(len(vectors)), nearest] >= SAME
        right = self.judgements.right[nearest]
        found[known & right] = np.maximum(found[known & right], CERTAIN)
        found[known & ~right] = np.minimum(found[known & ~right], -CERTAIN)
        counted: LogOdds = found
        return counted


@dataclass(frozen=True, slots=True)
class JudgedEvidence:
    """Counts in what was judged for the query's type."""

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds with judgements counted in; as they were without any."""
        if query.judged is None:
            return log_odds
        return query.judged(np.asarray(candidates.vectors), log_odds)


def _features(
    vectors: NDArray[np.float32], log_odds: LogOdds, judged: Judgements, *, itself: bool = True
) -> NDArray[np.float64]:
    """Log odds, 1, and those among judged mentions near by: float64 ``(m, 3)``.

    Args:
        vectors: float32 ``(m, dim)``.
        log_odds: float ``(m,)``.
        judged: The mentions judged.
        itself: Whether a mention that was judged is its own neighbour; without, ``vectors`` are
            those of ``judged``.
    """
    near = np.exp((vectors @ judged.vectors.T - 1) / np.float32(BANDWIDTH)).astype(np.float64)
    if not itself:
        np.fill_diagonal(near, 0)
    right = UNKNOWN + near[:, judged.right].sum(axis=1)
    wrong = UNKNOWN + near[:, ~judged.right].sum(axis=1)
    odds = np.clip(np.asarray(log_odds, dtype=np.float64), -_BOUND, _BOUND)
    return np.stack([odds, np.ones_like(odds), np.log(right / wrong)], axis=1)


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(log_odds, -60, 60)))
    return probability
