"""Type scores: scores of similarities, and the kinds of a mention."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.detection.given import Spans
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.kinds import Kinds, kind_names
from ner_retriever_rag.encoder.pair_scorer import PairScorer
from ner_retriever_rag.schema import EncodedText

Similarity = Literal["cosine", "inner product"]


class TypeScores(ABC):
    """Scoring and naming of types, common to all encoders.

    Args:
        calibration: Maps similarities to probabilities; without it the score is the cosine (0 if
            negative).
    """

    def __init__(self, calibration: Calibration | None) -> None:
        self.calibration = calibration
        self._kinds: Kinds | None = None
        self._kinds_lock = threading.Lock()

    @abstractmethod
    def encode(
        self, texts: Sequence[str], spans: Sequence[Spans] | None = None
    ) -> list[EncodedText]:
        """Detect (or take) the mentions of texts and encode each."""

    @abstractmethod
    def encode_types(self, types: Sequence[str]) -> NDArray[np.float32]:
        """Encode type descriptions: float32 ``(len(types), dim)``, L2-normalized."""

    @property
    def similarity(self) -> Similarity:
        """How mentions are compared with types: by cosine, as our vectors are unit vectors.

        If it is the inner product, ``score`` maps that to a score, and ranking adds nothing: its
        stages were chosen for our cosines.
        """
        return "cosine"

    @property
    def judge(self) -> PairScorer | None:
        """Re-scores mentions in their passages; None if not available."""
        return None

    @property
    def kinds(self) -> Kinds:
        """The shipped vocabulary of kinds, encoded on first access, then cached."""
        with self._kinds_lock:
            if self._kinds is None:
                self._kinds = self.kinds_of(kind_names())
            return self._kinds

    def kinds_of(self, names: Sequence[str], vectors: NDArray[np.float32] | None = None) -> Kinds:
        """Encode another vocabulary of kinds.

        Args:
            names: The kinds.
            vectors: float32 ``(len(names), dim)``, their vectors; None to encode the names.
        """
        vectors, slopes = self.encode_types(names) if vectors is None else vectors, None
        if (calibration := self.calibration) is not None:
            slopes = np.array([calibration.line(each).slope for each in vectors], dtype=np.float32)
        return Kinds.calibrated(names, vectors, self.similarity_at, slopes)

    def score(
        self, type_vector: NDArray[np.float32], similarities: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Probabilities that mentions are of a type.

        Args:
            type_vector: float32 ``(dim,)``, the encoded type description.
            similarities: float32 ``(n,)``, cosines of mentions to it.

        Returns:
            float32 ``(n,)`` in [0, 1], increasing with the similarity.
        """
        if self.calibration is None:
            return np.clip(similarities, 0.0, 1.0)
        return self.calibration.probability(type_vector, similarities)

    def similarity_at(self, type_vector: NDArray[np.float32], score: float) -> float:
        """Cosine at which ``score`` is reached for a type; the inverse of :meth:`score`."""
        if self.calibration is None:
            return score
        return self.calibration.similarity_at(type_vector, score)

    def types_of(self, text: str, span: tuple[int, int], n: int = 5) -> list[tuple[str, float]]:
        """Name the kinds of one mention, from the shipped vocabulary of mined type phrases.

        Args:
            text: The text.
            span: Characters of the mention, end exclusive.
            n: Number of kinds.

        Returns:
            Type descriptions with their scores (probabilities), best name first; near synonyms of a
            better one are left out.

        Raises:
            ValueError: If the text is empty, the span lies outside it, or ``n`` is not positive.
        """
        if not isinstance(n, int) or n <= 0:
            raise ValueError(f"n must be a positive whole number, not {n!r}")
        (encoded,) = self.encode([text], spans=[[span]])
        mention = encoded.vectors[0]
        numbers = self.kinds.name(mention, n)
        vectors = self.kinds.vectors[numbers]
        return [
            (self.kinds.names[number], float(self.score(vector, similarity[None])[0]))
            for number, vector, similarity in zip(numbers, vectors, vectors @ mention, strict=True)
        ]
