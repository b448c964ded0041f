"""Training pairs from occurrences of kinds that can be told without labels.

Identifiers are told by their form, roles by the words before them, terms by a dictionary: see
``identifiers``, ``roles`` and ``dictionaries``. Negatives are other mentions of the same text that
are known to be of another kind, and occurrences of unlike kinds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.reading.passage import WIDTH
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.judgements import Judgements, varied
from ner_retriever_rag.training.mined import MentionContext

_UNLIKE = 0.45  # cosine of descriptions below which an occurrence of one is none of the other
_SAME_TEXT = 3  # most negatives from the text itself


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A mention of some kind, and other mentions of its text that are not of that kind."""

    mention: MentionContext
    others: tuple[MentionContext, ...] = ()


@dataclass(slots=True)
class Kind:
    """A kind with its occurrences.

    Attributes:
        names: Descriptions of the kind.
        kindred: Kinds whose occurrences may be of this kind as well.
        occurrences: Its occurrences.
    """

    names: tuple[str, ...]
    kindred: frozenset[str] = frozenset()
    occurrences: list[Occurrence] = field(default_factory=list)


class OccurrenceSource:
    """Judged pairs from occurrences of kinds.

    Args:
        kinds: The kinds by name.
        encode: Encodes type descriptions: unit vectors, float32 ``(n, dim)``.
        size: Number of pairs drawn together.

    Raises:
        ValueError: If no kind has an occurrence, or none an unlike kind.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        encode: Callable[[Sequence[str]], NDArray[np.float32]],
        size: int,
    ) -> None:
        self._size = size
        found = {key: kinds[key] for key in sorted(kinds) if kinds[key].occurrences}
        names = [name for kind in found.values() for name in kind.names]
        vector_of = dict(zip(names, encode(names), strict=True)) if names else {}
        vectors = [np.stack([vector_of[name] for name in kind.names]) for kind in found.values()]
        self._kinds = []
        for (key, kind), own in zip(found.items(), vectors, strict=True):
            unlike = [
                other
                for (name, other), theirs in zip(found.items(), vectors, strict=True)
                if name != key
                and name not in kind.kindred
                and key not in other.kindred
                and float((own @ theirs.T).max()) < _UNLIKE
            ]
            if unlike:
                self._kinds.append((kind, unlike))
        if not self._kinds:
            raise ValueError("the texts have occurrences of no two unlike kinds")

    def draw(self, rng: random.Random) -> Judgements:
        """Draw a kind with mentions, or a mention with descriptions."""
        kind, unlike = rng.choice(self._kinds)
        name = varied(rng.choice(kind.names), rng)
        if rng.random() < 0.3:
            others = rng.sample(unlike, min(len(unlike), self._size - 1))
            names = [varied(rng.choice(other.names), rng) for other in others]
            mention = rng.choice(kind.occurrences).mention.cropped(WIDTH)
            return Judgements.of_mention(mention, [name], names)
        right = rng.choices(kind.occurrences, k=rng.choice((1, 1, 2)))
        near = [other for each in right for other in each.others]
        wrong = rng.sample(near, min(len(near), _SAME_TEXT))
        while len(right) + len(wrong) < self._size:
            wrong.append(rng.choice(rng.choice(unlike).occurrences).mention)
        return Judgements.of_description(name, [each.mention for each in right], wrong)


def occurrences(text: str, spans: Sequence[Span], mentions: Sequence[Span]) -> list[Occurrence]:
    """The occurrences of a kind in a text, each with the text's other mentions.

    Args:
        text: The text.
        spans: The occurrences.
        mentions: All mentions of the text; those that overlap an occurrence are left out.
    """
    others = tuple(MentionContext(text, *each) for each in mentions if not overlaps(each, spans))
    return [Occurrence(MentionContext(text, *span), others) for span in spans]


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    """Whether a span overlaps one of the others."""
    return any(span[0] < end and start < span[1] for start, end in others)


def kindred(kind: str, families: Iterable[set[str]]) -> frozenset[str]:
    """The other kinds of the families that a kind belongs to."""
    return frozenset(each for some in families if kind in some for each in some) - {kind}
