"""Modifiers that tell things of one kind apart: a radio station is no railway station.

Two types with one head noun may both fit ("metal band", "rock band"), so such pairs are taken for
no negatives of each other. But where both modifiers are frequent and nothing is ever called by
both, the one rules the other out ("Canadian", "American"; "radio", "railway").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from ner_retriever_rag.queries.english import head_noun

_LEAST = 30  # things with a modifier before anything is said of it
_TOGETHER = 0.01  # of the rarer modifier's things, so many at most have both


class Modifiers:
    """Knows which modifiers rule each other out.

    Args:
        entities: The types of each thing, as many as there are.
    """

    def __init__(self, entities: Iterable[Sequence[str]]) -> None:
        described = [set().union(*map(modifiers, types)) for types in entities]
        count = Counter(word for words in described for word in words)
        self._count = {word: n for word, n in count.items() if n >= _LEAST}
        self._both = Counter(
            pair
            for words in described
            for pair in combinations(sorted(words & self._count.keys()), 2)
        )

    def exclude(self, one: str, other: str) -> bool:
        """Whether what has one modifier has hardly ever the other; names with names alone."""
        if one not in self._count or other not in self._count or one == other:
            return False
        if one[0].isupper() != other[0].isupper():
            return False
        both = self._both[min(one, other), max(one, other)]
        return both < _TOGETHER * min(self._count[one], self._count[other])

    def rule_out(self, types: Sequence[str], phrase: str) -> bool:
        """Whether a thing of these types is surely none of ``phrase``, a type of the same head."""
        head = head_noun(phrase)
        if all(head_noun(each) != head for each in types):
            return False
        has = set().union(*map(modifiers, types))
        return any(self.exclude(word, other) for word in modifiers(phrase) - has for other in has)


def modifiers(phrase: str) -> set[str]:
    """The words before a phrase's head noun."""
    words = phrase.split()
    return set(words[: len(words) - len(head_noun(phrase).split())])
