"""Relevance feedback: a user's judgments of a type's results, applied to its log odds.

A few judgments show how far the log odds of this type are off in this corpus, and what the correct
results look like. So three parameters are fitted: a slope and an offset of the log odds (Platt
1999), and the weight of a kernel estimate of the odds among nearby judged mentions (Nadaraya 1964,
Watson 1964). Each has a normal prior that regularizes it while judgments are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.schema import Candidates

# Chosen on the seven domain sets used for selection: F1 of k=None after 20 judgments of documents
# among the first 100, 300 and 1,500 texts of a set (benchmarks/results/training.md, "Judgements").
BANDWIDTH = 0.08  # cosine
PSEUDO_COUNT = 0.1  # pseudo-count of right and of wrong; a judged mention counts up to 1
PRIOR = np.array([1.3, 0.0, 1.5])  # slope, offset in log odds, weight of the neighbors
PRIOR_DEVIATION = np.array([0.5, 2.0, 0.3])
MIN_SELF_COSINE = (
    0.9995  # minimum cosine of a judged mention with itself: vectors are stored as float32
)
VERDICT_LOG_ODDS = 6.0  # minimum magnitude of the log odds of judged mentions
_MAX_LOG_ODDS = 12.0  # log odds are clipped here, so that no single judgment dominates the fit
_MAX_STEPS, _TOLERANCE = 50, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """Mentions that were judged for one type.

    Attributes:
        vectors: float32 ``(n, dim)``, L2-normalized.
        log_odds: float32 ``(n,)``, after the other stages of ranking.
        right: bool ``(n,)``, whether they are of the type.
        informative: bool ``(n,)``, whether they are evidence about other mentions; False for the
            lesser mentions of a document judged wrong as a whole, which were not judged
            individually.
    """

    vectors: NDArray[np.float32]
    log_odds: NDArray[np.float32]
    right: NDArray[np.bool_]
    informative: NDArray[np.bool_]

    def informative_only(self) -> Judgements:
        """The judgments that are evidence about other mentions."""
        return Judgements(
            self.vectors[self.informative],
            self.log_odds[self.informative],
            self.right[self.informative],
            self.informative[self.informative],
        )


@dataclass(frozen=True, slots=True, eq=False)
class JudgedType:
    """A type fitted to its judgments.

    Attributes:
        judgements: One or more judgments.
        weights: float64 ``(3,)``: slope, offset, weight of the neighbors.
    """

    judgements: Judgements
    weights: NDArray[np.float64]

    @classmethod
    def fit(cls, judgements: Judgements) -> JudgedType:
        """Fit the weights by maximum a posteriori; no judgment counts as its own neighbor.

        Args:
            judgements: One or more judgments.
        """
        informative = judgements.informative_only()
        features = _features(
            informative.vectors, informative.log_odds, informative, include_self=False
        )
        signs = np.where(informative.right, 1.0, -1.0)
        precision = 1 / PRIOR_DEVIATION**2

        def loss(weights: NDArray[np.float64]) -> float:
            likelihood = np.logaddexp(0, -signs * (features @ weights)).sum()
            return float(likelihood + (precision * (weights - PRIOR) ** 2).sum() / 2)

        weights = PRIOR.copy()
        for _ in range(_MAX_STEPS):
            predicted = _probability(features @ weights)
            slope = features.T @ (informative.right - predicted) - precision * (weights - PRIOR)
            curve = (features.T * (predicted * (1 - predicted))) @ features + np.diag(precision)
            step = np.linalg.solve(curve, slope)
            while loss(weights + step) > loss(weights) and np.abs(step).max() > _TOLERANCE:
                step /= 2  # Newton steps overshoot if nearly all probabilities are saturated
            weights = weights + step
            if np.abs(step).max() <= _TOLERANCE:
                break
        return cls(judgements, weights)

    def log_odds(self, vectors: NDArray[np.float32], log_odds: LogOdds) -> LogOdds:
        """Apply the judgments to the log odds of mentions; float64 ``(m,)``.

        Mentions that were judged themselves get their verdicts.

        Args:
            vectors: float32 ``(m, dim)``, L2-normalized.
            log_odds: float ``(m,)``, without judgments.
        """
        found = _features(vectors, log_odds, self.judgements.informative_only()) @ self.weights
        cosines = vectors @ self.judgements.vectors.T
        nearest = cosines.argmax(axis=1)
        known = cosines[np.arange(len(vectors)), nearest] >= MIN_SELF_COSINE
        right = self.judgements.right[nearest]
        found[known & right] = np.maximum(found[known & right], VERDICT_LOG_ODDS)
        found[known & ~right] = np.minimum(found[known & ~right], -VERDICT_LOG_ODDS)
        adjusted: LogOdds = found
        return adjusted


@dataclass(frozen=True, slots=True)
class JudgedEvidence:
    """Applies the judgments of the query's type."""

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """Apply the judgments to the log odds; no change if there are none."""
        if query.judged is None:
            return log_odds
        return query.judged(np.asarray(candidates.vectors), log_odds)


def _features(
    vectors: NDArray[np.float32],
    log_odds: LogOdds,
    judged: Judgements,
    *,
    include_self: bool = True,
) -> NDArray[np.float64]:
    """Log odds, 1, and the log odds among nearby judged mentions: float64 ``(m, 3)``.

    Args:
        vectors: float32 ``(m, dim)``.
        log_odds: float ``(m,)``.
        judged: The judged mentions.
        include_self: Whether a judged mention counts as its own neighbor; if not, ``vectors`` must
            be those of ``judged``.
    """
    near = np.exp((vectors @ judged.vectors.T - 1) / np.float32(BANDWIDTH)).astype(np.float64)
    if not include_self:
        np.fill_diagonal(near, 0)
    right = PSEUDO_COUNT + near[:, judged.right].sum(axis=1)
    wrong = PSEUDO_COUNT + near[:, ~judged.right].sum(axis=1)
    odds = np.clip(np.asarray(log_odds, dtype=np.float64), -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
    return np.stack([odds, np.ones_like(odds), np.log(right / wrong)], axis=1)


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(log_odds, -60, 60)))
    return probability
