"""Names within a type description: "Norwegian", "Nintendo", "Saturn".

A mention's vector says what kind of thing it is, but hardly where it is from: "Norwegian band"
retrieves bands from all over Scandinavia. The text nearby tells: the word occurs near two in five
mentions of such a type, and near one in a hundred others of the same kind. So ranking promotes
mentions near the word (figures in benchmarks/results/training.md).
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.labels import spelled_out
from ner_retriever_rag.queries.english import CLAUSE_WORDS, DETERMINERS, PREPOSITIONS
from ner_retriever_rag.queries.repetition import noun_asked_for
from ner_retriever_rag.schema import Span

_NEAR = 130  # characters before and after a mention
_BITS, _OF_A_WORD = 128, 3
_WORD = re.compile(r"\w+")
# Endings that differ between a country and its demonym: "Sweden", "Swedish"; longest first.
_ENDINGS = sorted(
    """
    a ain an anese ani any e ean en er ese ey i ia ian ic ish ium land landic lish nish o s
    tish vian way wegian y
    """.split(),
    key=len,
    reverse=True,
)
_STEM = 3  # minimum letters of a stem
_LITTLE = DETERMINERS | PREPOSITIONS | CLAUSE_WORDS


class NamedWords:
    """The names among the words of a type description.

    These are the capitalized words, except for the head noun. If all content words are capitalized
    ("Bodies of Water"), capitals are uninformative, and there are no names.

    Args:
        description: The type description.
    """

    def __init__(self, description: str) -> None:
        words = _WORD.findall(spelled_out(description))
        content = [word for word in words if word.casefold() not in _LITTLE]
        names = [word for word in content if word[:1].isupper()]
        if len(names) == len(content):
            names = []
        noun = noun_asked_for([word.casefold() for word in words]) if words else ""
        self._marks = _rows([_mark(name) for name in names if name.casefold() != noun])

    def share_nearby(self, nearby: NDArray[np.uint64]) -> NDArray[np.float32]:
        """The share of the names that occur near mentions, or in them, float32 ``(n,)``.

        Args:
            nearby: uint64 ``(n, 2)``, see :func:`names_nearby`.
        """
        share = np.zeros(len(nearby), dtype=np.float32)
        for mark in self._marks:
            share[((nearby & mark) == mark).all(axis=1)] += 1 / len(self._marks)
        return share


def names_nearby(text: str, spans: Sequence[Span]) -> NDArray[np.uint64]:
    """The capitalized words near mentions, or in them, as Bloom filters, uint64 ``(mentions, 2)``.

    Each word sets three of 128 bits, so there are occasional false positives.

    Args:
        text: The text.
        spans: The mentions.
    """
    found = [each for each in _WORD.finditer(text) if each[0][0].isupper()]
    starts, marks = [each.start() for each in found], [_mark(each[0]) for each in found]
    nearby = []
    for start, end in spans:
        all_of_them = 0
        for mark in marks[bisect_left(starts, start - _NEAR) : bisect_left(starts, end + _NEAR)]:
            all_of_them |= mark
        nearby.append(all_of_them)
    return _rows(nearby)


@lru_cache(maxsize=50_000)
def _mark(word: str) -> int:
    """The bits of a word; the same for a country and its demonym."""
    stem = word.casefold()
    for ending in _ENDINGS:
        if stem.endswith(ending) and len(stem) - len(ending) >= _STEM:
            stem = stem.removesuffix(ending)
            break
    number, mark = zlib.crc32(stem.encode()), 0
    for _ in range(_OF_A_WORD):
        number, bit = divmod(number, _BITS)
        mark |= 1 << bit
    return mark


def _rows(marks: Sequence[int]) -> NDArray[np.uint64]:
    joined = b"".join(mark.to_bytes(_BITS // 8, "little") for mark in marks)
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
