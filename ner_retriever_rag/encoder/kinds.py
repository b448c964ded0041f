"""Kinds: a vocabulary of type phrases, and which of them name what a mention is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.log_odds import SLOPE

_SAME_KIND = 0.8  # phrases with at least this cosine are near synonyms
# "theropod dinosaur" needs twice the odds of "dinosaur" to be named instead of it.
_FINER = np.float32(np.log(2))

# Phrases that first sentences define things as, but that are not kinds of entities.
_NON_ENTITY_PHRASES = """
    ability; accessory; act; amount; approach; arm; armed force; attempt; better; body; change;
    class city; class municipality; class urbanized city; copy; decision; distance; draft; fear;
    field athlete; field sprint athlete; flight; foreign relation; franchise's season; function;
    graduate engineering school; grouping; history; home rule-class city; level;
    list of countries; measure; object; occasional actor; operation; path; person group; pop;
    portion; position; problem; property; public; quarter; rank; regular season; responsible;
    right; room; round; rule; scale; second-largest city; shot; similar; speech; statement;
    story writer; successor; team's season; team's year; test; tier; variation; voice;
    waterway society; world
"""


@cache
def non_entity_phrases() -> frozenset[str]:
    """Phrases of the vocabulary that are not kinds of entities; never used as facet names."""
    return frozenset(" ".join(each.split()) for each in _NON_ENTITY_PHRASES.split(";"))


@cache
def kind_names() -> tuple[str, ...]:
    """The shipped vocabulary: about 1,200 mined type phrases, most frequent first."""
    text = files("ner_retriever_rag.encoder").joinpath("kinds.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """A vocabulary of kinds, encoded by one encoder.

    Attributes:
        names: The phrases, most frequent first.
        vectors: float32 ``(len(names), dim)``; L2-normalized, unless the encoder's similarity is
            the inner product.
        half: float32 ``(len(names),)``, similarity at which each phrase's score is 0.5.
        finer: Indices of phrases that end in another phrase, as "capital city" ends in "city".
        slopes: float32 ``(len(names),)``, log odds of each per unit of cosine.
    """

    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    half: NDArray[np.float32]
    finer: list[int]
    slopes: NDArray[np.float32]

    @classmethod
    def calibrated(
        cls,
        names: Sequence[str],
        vectors: NDArray[np.float32],
        similarity_at: Callable[[NDArray[np.float32], float], float],
        slopes: NDArray[np.float32] | None = None,
    ) -> Kinds:
        """Build a vocabulary, computing the similarity at which each kind's score is one half.

        Args:
            names: The phrases.
            vectors: float32 ``(len(names), dim)``, L2-normalized.
            similarity_at: Returns the cosine at which a type vector reaches a score.
            slopes: float32 ``(len(names),)``, log odds of each per unit of cosine; None for the
                default.
        """
        if slopes is None:
            slopes = np.full(len(names), SLOPE, dtype=np.float32)
        half = np.array([similarity_at(vector, 0.5) for vector in vectors], dtype=np.float32)
        known = set(names)
        finer = [n for n, name in enumerate(names) if known.intersection(_endings(name))]
        return cls(tuple(names), vectors, half, finer, slopes)

    def fit(self, mentions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score how well each kind fits each mention.

        Args:
            mentions: float32 ``(n, dim)``.

        Returns:
            float32 ``(n, len(names))``, log odds.
        """
        fit: NDArray[np.float32] = mentions @ self.vectors.T
        fit -= self.half
        fit *= self.slopes
        return fit

    def fit_to_name(self, mentions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score each kind as a name for mentions: :meth:`fit`, with finer kinds a little lower."""
        fit = self.fit(mentions)
        fit[:, self.finer] -= _FINER
        return fit

    def name(self, mention: NDArray[np.float32], n: int) -> list[int]:
        """Indices of the n kinds that fit a mention best, no two of them near synonyms.

        Args:
            mention: float32 ``(dim,)``.
            n: Number of kinds.
        """
        chosen: list[int] = []
        for number in np.argsort(-self.fit_to_name(mention[None])[0], kind="stable"):
            if len(chosen) == n:
                break
            if not self.is_synonym(int(number), chosen):
                chosen.append(int(number))
        return chosen

    def is_synonym(self, kind: int, others: list[int]) -> bool:
        """Whether a kind is a near synonym of one of the others."""
        return bool(others) and self.nearest(kind, others)[1] >= _SAME_KIND

    def nearest(self, kind: int, others: list[int]) -> tuple[int, float]:
        """The nearest of the other kinds, and its cosine."""
        lengths = np.linalg.norm(self.vectors[[kind, *others]], axis=1)
        similarities = self.vectors[others] @ self.vectors[kind] / (lengths[0] * lengths[1:])
        best = int(similarities.argmax())
        return others[best], float(similarities[best])


def _endings(name: str) -> list[str]:
    """Endings of a name: for "red brick house" these are "brick house" and "house"."""
    words = name.split()
    return [" ".join(words[n:]) for n in range(1, len(words))]
