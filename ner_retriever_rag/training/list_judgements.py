"""Training pairs from sentences that list instances of a type.

Negatives are other mentions of the same sentence, and instances of dissimilar types.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.hearst import ListedType, instances
from ner_retriever_rag.training.judgements import Detect, Judgements, varied
from ner_retriever_rag.training.mined import MentionContext

_FAR = 0.35  # cosine of descriptions below which a mention of one is none of the other
_SAME_SENTENCE = 3  # most negatives from the sentence itself
_CANDIDATES = 60  # lists from which the other negatives are chosen


@dataclass(frozen=True, slots=True)
class _Instances:
    """A type with its instances in a sentence, and the sentence's other mentions."""

    type: str
    right: list[MentionContext]
    wrong: list[MentionContext]


class ListSource:
    """Judged pairs from lists of instances.

    Args:
        lists: The lists; those in which no instance is detected are left out.
        detect: Detects mentions in texts.
        encode: Encodes type descriptions: unit vectors, float32 ``(n, dim)``.
        size: Number of pairs drawn together.

    Raises:
        ValueError: If no list has an instance.
    """

    def __init__(
        self,
        lists: Sequence[ListedType],
        detect: Detect,
        encode: Callable[[Sequence[str]], NDArray[np.float32]],
        size: int,
    ) -> None:
        self._size = size
        found = zip(lists, detect([each.text for each in lists]), strict=True)
        self._lists = [each for each in map(_split, *zip(*found, strict=True)) if each.right]
        if not self._lists:
            raise ValueError("no instance is detected in any list")
        types = sorted({each.type for each in self._lists})
        row = {each: n for n, each in enumerate(types)}
        self._vectors = encode(types)[[row[each.type] for each in self._lists]]
        heads = [head_noun(each.type).lower() for each in self._lists]
        frequency = Counter(heads)
        self._cumulative = list(accumulate(frequency[head] ** -0.5 for head in heads))

    def draw(self, rng: random.Random) -> Judgements:
        """Draw a type with an instance or two and mentions that are none."""
        (number,) = self._rows(rng, 1)
        listed = self._lists[number]
        right = rng.sample(listed.right, min(len(listed.right), rng.choice((1, 1, 2))))
        wrong = rng.sample(listed.wrong, min(len(listed.wrong), _SAME_SENTENCE))
        others = self._rows(rng, _CANDIDATES)
        cosines = self._vectors[others] @ self._vectors[number]
        far = [others[n] for n in np.argsort(-cosines) if cosines[n] < _FAR]
        for other in far[: self._size - len(right) - len(wrong)]:
            wrong.append(rng.choice(self._lists[other].right))
        return Judgements.of_description(varied(listed.type, rng), right, wrong)

    def _rows(self, rng: random.Random, count: int) -> list[int]:
        return rng.choices(range(len(self._lists)), cum_weights=self._cumulative, k=count)


def _split(listed: ListedType, mentions: Sequence[Span]) -> _Instances:
    """Split a sentence's mentions; those that could be of the type as well are left out."""
    text, head = listed.text, head_noun(listed.type).lower()
    members = instances(listed, mentions)
    words = {text[start:end].lower() for start, end in members}
    # After a list that was cut short by a parenthesis its other members would follow.
    outside = [
        (start, end)
        for start, end in mentions
        if (start >= listed.place if listed.after else end <= listed.place)
    ]
    wrong = [
        (start, end)
        for start, end in outside
        if not any(own in text[start:end].lower() for own in {*words, head})
    ]
    return _Instances(
        listed.type,
        [MentionContext(text, *span) for span in members],
        [MentionContext(text, *span) for span in wrong],
    )
