"""Naming kinds: which phrases of a vocabulary say what a mention is."""

from __future__ import annotations

import threading
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

_SAME_KIND = 0.8  # phrases with at least this cosine name one kind
_lock = threading.Lock()
_known: WeakKeyDictionary[TypeAwareEncoder, Kinds] = WeakKeyDictionary()


@cache
def kind_names() -> tuple[str, ...]:
    """The shipped vocabulary of kinds, the most frequent in the mined text first."""
    text = files("ner_retriever_rag.encoder").joinpath("kinds.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


class Kinds:
    """The shipped vocabulary of kinds, about 1,200 mined type phrases, encoded.

    Args:
        encoder: What encodes them.

    Attributes:
        names: The phrases, the most frequent in the mined text first.
        vectors: float32 ``(len(names), dim)``, L2-normalised.
    """

    def __init__(self, encoder: TypeAwareEncoder) -> None:
        self.names = list(kind_names())
        self.vectors = encoder.encode_types(self.names)
        # A calibrated score is logistic in the cosine; two of its points give the whole line, so
        # that a mention's fit to all phrases is one product of matrices.
        half, high = (
            np.array([encoder.similarity_at(vector, score) for vector in self.vectors])
            for score in (0.5, 0.9)
        )
        self._slope = (np.log(9) / (high - half)).astype(np.float32)
        self._half = half.astype(np.float32)

    @classmethod
    def of(cls, encoder: TypeAwareEncoder) -> Kinds:
        """The vocabulary of an encoder, encoded once."""
        with _lock:
            if encoder not in _known:
                _known[encoder] = cls(encoder)
            return _known[encoder]

    def fit(self, mentions: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well each kind fits mentions.

        Args:
            mentions: float32 ``(n, dim)``.

        Returns:
            float32 ``(n, len(names))``, log-odds of the calibrated probability.
        """
        fit: NDArray[np.float32] = (mentions @ self.vectors.T - self._half) * self._slope
        return fit

    def name(self, mention: NDArray[np.float32], n: int) -> list[int]:
        """The numbers of the n kinds that fit a mention best, no two of them near synonyms.

        Args:
            mention: float32 ``(dim,)``.
            n: How many.
        """
        chosen: list[int] = []
        for number in np.argsort(-self.fit(mention[None])[0], kind="stable"):
            if len(chosen) == n:
                break
            if not self.is_synonym(int(number), chosen):
                chosen.append(int(number))
        return chosen

    def is_synonym(self, kind: int, others: list[int]) -> bool:
        """Whether a kind is nearly the same as one of others."""
        return bool(others) and self.nearest(kind, others)[1] >= _SAME_KIND

    def nearest(self, kind: int, others: list[int]) -> tuple[int, float]:
        """Which of others is nearest to a kind, and its cosine."""
        similarities = self.vectors[others] @ self.vectors[kind]
        best = int(similarities.argmax())
        return others[best], float(similarities[best])


def types_of(
    encoder: TypeAwareEncoder, text: str, span: tuple[int, int], n: int
) -> list[tuple[str, float]]:
    """Name the kinds of one mention; ``TypeAwareEncoder.types_of`` explains."""
    if not isinstance(n, int) or n <= 0:
        raise ValueError(f"n must be a positive whole number, not {n!r}")
    mention = encoder.encode([text], spans=[[span]])[0].vectors[0]
    kinds = Kinds.of(encoder)
    numbers = kinds.name(mention, n)
    similarities = kinds.vectors[numbers] @ mention
    return [
        (kinds.names[number], float(encoder.score(kinds.vectors[number], similarity[None])[0]))
        for number, similarity in zip(numbers, similarities, strict=True)
    ]
