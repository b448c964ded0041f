"""The threshold of an unlimited search: the one that maximizes the expected F1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_SCORE = 0.1  # score; results below it are ignored: there are too many for a reliable sum
MAX_THRESHOLD = 0.9  # upper limit of the threshold


def expected_f1_threshold(scores: NDArray[np.float32]) -> float:
    """The threshold that maximizes the expected F1.

    Scores are treated as probabilities: the expected number of correct results among the first n
    is the sum of their scores, and the expected total is the sum of all scores (Lipton, Elkan and
    Naryanaswamy 2014).

    Args:
        scores: float32 ``(n,)``, probabilities of all possible results.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    ordered = ordered[ordered >= MIN_SCORE]
    if not len(ordered):
        return MAX_THRESHOLD
    expected = np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + ordered.sum())
    return min(float(ordered[int(expected.argmax())]), MAX_THRESHOLD)
