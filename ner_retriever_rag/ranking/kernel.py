"""The kernel smoother that all smoothing stages share (Nadaraya 1964, Watson 1964)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class KernelSmoother:
    """Weighted means of neighbours' values, each point's own among them.

    Args:
        own: float ``(n, c)``, the points' own values.
        own_weight: The weight of each; a neighbour in the same place has 1.
    """

    def __init__(self, own: NDArray[np.floating], own_weight: float) -> None:
        self._sums = own_weight * np.asarray(own, dtype=np.float64)
        self._weights = np.full((len(own), 1), own_weight)

    def add_pairs(
        self, points: NDArray[np.intp], weights: NDArray[np.floating], values: NDArray[np.floating]
    ) -> None:
        """Add a neighbour to each of some points.

        Args:
            points: ``(m,)``, their numbers, each once.
            weights: float ``(m,)``, the neighbours'.
            values: float ``(m, c)``, the neighbours'.
        """
        self._sums[points] += weights[:, None] * values
        self._weights[points, 0] += weights

    def add_block(
        self, points: slice, weights: NDArray[np.floating], values: NDArray[np.floating]
    ) -> None:
        """Add the same neighbours to all of some points.

        Args:
            points: Which ones, m of them.
            weights: float ``(m, v)``, of each neighbour for each point.
            values: float ``(v, c)``, the neighbours'.
        """
        self._sums[points] += weights @ values
        self._weights[points, 0] += weights.sum(axis=1)

    def means(self) -> NDArray[np.float64]:
        """The smoothed values, float64 ``(n, c)``."""
        means: NDArray[np.float64] = self._sums / self._weights
        return means
