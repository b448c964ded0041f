"""Kinds: a vocabulary of type phrases, and which of them say what a mention is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.log_odds import SLOPE

_SAME_KIND = 0.8  # phrases with at least this cosine name one kind
# "theropod dinosaur" has to fit twice as well as "dinosaur" to be said instead of it.
_FINER = np.float32(np.log(2))

# What first sentences define things as, and what is no kind of entity.
_NO_KIND = """
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
def odd_kinds() -> frozenset[str]:
    """The phrases of the vocabulary that are no kinds of entity; no facet has such a name."""
    return frozenset(" ".join(each.split()) for each in _NO_KIND.split(";"))


@cache
def kind_names() -> tuple[str, ...]:
    """The shipped vocabulary, about 1,200 mined type phrases, the most frequent first."""
    text = files("ner_retriever_rag.encoder").joinpath("kinds.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """A vocabulary of kinds as an encoder sees it.

    Attributes:
        names: The phrases, the most frequent first.
        vectors: float32 ``(len(names), dim)``; L2-normalised, unless the encoder's similarity is
            the inner product.
        half: float32 ``(len(names),)``, the similarity at which each reaches the score 0.5.
        finer: The numbers of those that end in another, as "capital city" does in "city".
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
        """See where each kind's score is one half.

        Args:
            names: The phrases.
            vectors: float32 ``(len(names), dim)``, L2-normalised.
            similarity_at: The cosine at which a score is reached for a type vector.
            slopes: float32 ``(len(names),)``, each one's log odds per unit of cosine; None for
                the usual one.
        """
        if slopes is None:
            slopes = np.full(len(names), SLOPE, dtype=np.float32)
        half = np.array([similarity_at(vector, 0.5) for vector in vectors], dtype=np.float32)
        known = set(names)
        finer = [n for n, name in enumerate(names) if known.intersection(_endings(name))]
        return cls(tuple(names), vectors, half, finer, slopes)

    def fit(self, mentions: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well each kind fits mentions.

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
        """How well each kind would name mentions: as :meth:`fit`, finer kinds a little lower."""
        fit = self.fit(mentions)
        fit[:, self.finer] -= _FINER
        return fit

    def name(self, mention: NDArray[np.float32], n: int) -> list[int]:
        """The numbers of the n kinds that fit a mention best, no two of them near synonyms.

        Args:
            mention: float32 ``(dim,)``.
            n: How many.
        """
        chosen: list[int] = []
        for number in np.argsort(-self.fit_to_name(mention[None])[0], kind="stable"):
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
        lengths = np.linalg.norm(self.vectors[[kind, *others]], axis=1)
        similarities = self.vectors[others] @ self.vectors[kind] / (lengths[0] * lengths[1:])
        best = int(similarities.argmax())
        return others[best], float(similarities[best])


def _endings(name: str) -> list[str]:
    """What a name ends in: of "red brick house" these are "brick house" and "house"."""
    words = name.split()
    return [" ".join(words[n:]) for n in range(1, len(words))]
