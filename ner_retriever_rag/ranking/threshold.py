"""Where a search for all ends: at the greatest expected F1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST = 0.1  # score; below it answers do not count: too many to be sure
GREATEST = 0.9  # threshold


def threshold_of(scores: NDArray[np.float32]) -> float:
    """The score from which on answers have the greatest expected F1.

    Scores are treated as probabilities: of the first n, their sum is right; of all,
    the sum of all (Lipton, Elkan and Naryanaswamy 2014).

    Args:
        scores: float32 ``(n,)``, probabilities of all answers there are.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    ordered = ordered[ordered >= LEAST]
    if not len(ordered):
        return GREATEST
    expected = np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + ordered.sum())
    return min(float(ordered[int(expected.argmax())]), GREATEST)
