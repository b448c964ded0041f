"""Where a search for all ends: at the greatest expected F1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IMPOSSIBLE = 0.05  # score below which answers do not count: too many to be sure
GREATEST = 0.9  # threshold
LEAST_JUDGED = 0.1  # threshold of a type that was judged; DEFAULT_THRESHOLD for others


def threshold_of(scores: NDArray[np.float32], least: float) -> float:
    """The score from which on answers have the greatest expected F1.

    Scores are treated as probabilities: of the first n, their sum is right; of all,
    the sum of all (Lipton, Elkan and Naryanaswamy 2014).

    Args:
        scores: float32 ``(n,)``, probabilities of all answers there are.
        least: The least threshold.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    ordered = ordered[ordered >= IMPOSSIBLE]
    if not len(ordered):
        return GREATEST
    expected = np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + ordered.sum())
    return float(np.clip(ordered[int(expected.argmax())], least, GREATEST))
