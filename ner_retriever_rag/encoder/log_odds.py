"""The single conversion from similarity to log odds, and from log odds to score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.calibration import Calibration

SLOPE = 16.57  # log odds per unit of cosine without a calibration
_CERTAIN = 60.0  # log odds are clipped here, so that exp cannot overflow


class Scores(Protocol):
    """Maps similarities to scores: an encoder."""

    calibration: Calibration | None

    @property
    def similarity(self) -> str:
        """How mentions are compared with types: ``"cosine"``, or ``"inner product"``."""

    def score(
        self, type_vector: NDArray[np.float32], similarities: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Scores in [0, 1]; without a calibration, the encoder's own."""


@dataclass(frozen=True, slots=True, eq=False)
class LogOddsScale:
    """Log odds of one type, as a linear function of the similarity.

    Attributes:
        encoder: The encoder of the similarities.
        type_vector: float32 ``(dim,)``, the encoded type.
        slope: Log odds per unit of similarity.
        offset: Log odds at a similarity of 0.
        calibrated: Whether the log odds are those of a probability. Without a calibration they are
            the similarity times a slope: fine for comparing, not for adding up.
        breadth: The type's mean similarity to the calibration's sample of mentions of all kinds:
            0.25 for a broad type ("person"), 0.07 for a narrow one ("roller derby team"). 0
            without a calibration.
        spread: The standard deviation of these similarities.
        complete: Whether the similarity alone determines the score: the encoder has a score
            function of its own, and the ranking stages, all chosen for our cosines, add nothing.
    """

    encoder: Scores
    type_vector: NDArray[np.float32]
    slope: float = SLOPE
    offset: float = 0.0
    calibrated: bool = False
    breadth: float = 0.0
    spread: float = 0.0
    complete: bool = False

    @classmethod
    def of(cls, encoder: Scores, type_vector: NDArray[np.float32]) -> LogOddsScale:
        """Return the scale of a type for an encoder."""
        if encoder.similarity != "cosine":
            return cls(encoder, type_vector, slope=1.0, complete=True)
        if encoder.calibration is None:
            return cls(encoder, type_vector)
        line = encoder.calibration.line(type_vector)
        return cls(encoder, type_vector, line.slope, line.offset, True, line.breadth, line.spread)

    def log_odds(self, similarities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map similarities to log odds, float32 of the same shape."""
        odds = np.asarray(similarities, dtype=np.float32) * np.float32(self.slope)
        odds += np.float32(self.offset)
        return odds

    def score(self, log_odds: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map log odds to scores in [0, 1], float32, same shape; probabilities if calibrated."""
        if not self.calibrated:
            similarities = np.asarray(log_odds, dtype=np.float32) / np.float32(self.slope)
            return self.encoder.score(self.type_vector, similarities)
        odds = np.clip(np.asarray(log_odds, dtype=np.float64), -_CERTAIN, _CERTAIN)
        return (1.0 / (1.0 + np.exp(-odds))).astype(np.float32)
