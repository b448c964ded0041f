"""Calibration: cosine to probability, depending on the type description.

Cosines to "river" and to "person who taught a king" are not on one scale. Each description is
therefore compared with its own background: its cosines to a stored sample of mentions of all kinds.
A logistic model of the cosine and of that background, fitted on mined pairs of types not seen in
training, gives the probability that the mention is of the type.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

WEIGHTS, CONFIG = "background.safetensors", "calibration.json"
_LEAST_SPREAD = 1e-3
_LINES = 4096  # descriptions in the cache


class Line(NamedTuple):
    """A type's log odds as a linear function of the similarity.

    Attributes:
        slope: Log odds per unit of cosine.
        offset: Log odds at a cosine of 0.
        breadth: How many things the type is near to: its mean cosine to the background. For a broad
            type ("person", 0.25) even the best mentions have low cosines; if the cosines to a
            narrow one ("roller derby team", 0.07) are as low, there is no mention of it.
        spread: The standard deviation of the type's cosines to the background.
    """

    slope: float
    offset: float
    breadth: float
    spread: float


class Calibration:
    """Logistic model of a cosine and its type description's own background.

    The logit is ``(a + b / spread) * (similarity - peak) + c . background + d`` with positive a and
    b, so it increases with the similarity for every description.

    Args:
        background: ``(n, dim)``, L2-normalized vectors of a sample of mentions of all kinds.
        slopes: a and b, positive.
        weights: c, one for each of the background's four statistics, then d.

    Raises:
        ValueError: If a shape is wrong or a slope is not positive.
    """

    WEIGHTS = WEIGHTS

    def __init__(
        self,
        background: NDArray[np.floating],
        slopes: tuple[float, float],
        weights: tuple[float, ...],
    ) -> None:
        if background.ndim != 2 or len(background) < 2:
            raise ValueError(f"background must be (n >= 2, dim), not {background.shape}")
        if min(slopes) <= 0 or len(weights) != 5:
            raise ValueError("calibration needs two positive slopes and five weights")
        self.background = np.asarray(background, dtype=np.float32)
        self.slopes = slopes
        self.weights = weights
        # Cached per description: a search needs it a dozen times.
        self._lines: dict[bytes, Line] = {}

    def probability(
        self, type_vector: NDArray[np.float32], similarities: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Probability that mentions are of a type.

        Args:
            type_vector: float32 ``(dim,)``, L2-normalized.
            similarities: float32 ``(n,)``, the mentions' cosines to it.

        Returns:
            float32 ``(n,)`` in [0, 1], increasing with the similarity.
        """
        odds = np.clip(self.log_odds(type_vector, similarities), -60, 60)
        return (1.0 / (1.0 + np.exp(-odds))).astype(np.float32)

    def log_odds(
        self, type_vector: NDArray[np.float32], similarities: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Log odds of :meth:`probability`, float64 ``(n,)``; linear in the similarity."""
        slope, offset, *_ = self.line(type_vector)
        odds: NDArray[np.float64] = slope * np.asarray(similarities, dtype=np.float64) + offset
        return odds

    def similarity_at(self, type_vector: NDArray[np.float32], probability: float) -> float:
        """Cosine at which a type reaches a probability; the inverse of :meth:`probability`.

        It may lie outside [-1, 1]; then every mention, or none, reaches the probability.
        Probabilities 0 and 1 give minus and plus infinity.
        """
        if not 0 < probability < 1:
            return float("-inf") if probability <= 0 else float("inf")
        slope, offset, *_ = self.line(type_vector)
        return (float(np.log(probability / (1 - probability))) - offset) / slope

    def moved(self, move: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Calibration:
        """Return the same model with its background, ``(n, dim)``, mapped by ``move``."""
        return Calibration(move(self.background), self.slopes, self.weights)

    def line(self, type_vector: NDArray[np.float32]) -> Line:
        """Log odds of a type as a line, from its L2-normalized float32 ``(dim,)`` vector."""
        key = type_vector.tobytes()
        if (line := self._lines.get(key)) is None:
            if len(self._lines) >= _LINES:
                self._lines.clear()
            line = self._lines[key] = self._new_line(type_vector)
        return line

    def _new_line(self, type_vector: NDArray[np.float32]) -> Line:
        statistics = background_statistics(self.background @ type_vector)
        slope = self.slopes[0] + self.slopes[1] / float(statistics[1])
        offset = float(np.dot(self.weights, [*statistics, 1.0])) - slope * float(statistics[3])
        return Line(slope, offset, float(statistics[0]), float(statistics[1]))

    def save(self, folder: str | Path) -> None:
        """Write ``background.safetensors`` (float16) and ``calibration.json``; make the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"background": self.background.astype(np.float16)}, folder / WEIGHTS)
        config = {"slopes": list(self.slopes), "weights": list(self.weights)}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Calibration:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
        """
        folder = Path(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        background = load_file(folder / WEIGHTS)["background"]
        return cls(background, tuple(config["slopes"]), tuple(config["weights"]))


def background_statistics(similarities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Summarize a type description's cosines to the background sample.

    Returns:
        float64 ``(4,)``: mean, spread (standard deviation), 90th percentile, and the peak (mean of
        the highest 1%).
    """
    ordered = np.sort(np.asarray(similarities, dtype=np.float64))
    peak = ordered[-max(1, len(ordered) // 100) :].mean()
    tenth = ordered[int(0.9 * (len(ordered) - 1))]
    return np.array([ordered.mean(), max(ordered.std(), _LEAST_SPREAD), tenth, peak])
