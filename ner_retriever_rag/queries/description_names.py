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
from ner_retriever_rag.queries.repetition import requested_noun
from ner_retriever_rag.schema import Span

_WINDOW = 130  # characters before and after a mention
_BITS, _BITS_PER_WORD = 128, 3
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
_MIN_STEM = 3  # minimum letters of a stem
_STOP_WORDS = DETERMINERS | PREPOSITIONS | CLAUSE_WORDS


class DescriptionNames:
    """The names among the words of a type description.

    These are the capitalized words, except for the head noun. If all content words are capitalized
    ("Bodies of Water"), capitals are uninformative, and there are no names.

    Args:
        description: The type description.
    """

    def __init__(self, description: str) -> None:
        words = _WORD.findall(spelled_out(description))
        content = [word for word in words if word.casefold() not in _STOP_WORDS]
        names = [word for word in content if word[:1].isupper()]
        if len(names) == len(content):
            names = []
        noun = requested_noun([word.casefold() for word in words]) if words else ""
        self._name_bits = _bloom_filters(
            [_word_bits(name) for name in names if name.casefold() != noun]
        )

    def share_nearby(self, nearby: NDArray[np.uint64]) -> NDArray[np.float32]:
        """The share of the names that occur near mentions, or in them, float32 ``(n,)``.

        Args:
            nearby: uint64 ``(n, 2)``, see :func:`names_nearby`.
        """
        share = np.zeros(len(nearby), dtype=np.float32)
        for bits in self._name_bits:
            share[((nearby & bits) == bits).all(axis=1)] += 1 / len(self._name_bits)
        return share


def names_nearby(text: str, spans: Sequence[Span]) -> NDArray[np.uint64]:
    """The capitalized words near mentions, or in them, as Bloom filters, uint64 ``(mentions, 2)``.

    Each word sets three of 128 bits, so there are occasional false positives.

    Args:
        text: The text.
        spans: The mentions.
    """
    found = [each for each in _WORD.finditer(text) if each[0][0].isupper()]
    starts, word_bits = [each.start() for each in found], [_word_bits(each[0]) for each in found]
    nearby = []
    for start, end in spans:
        combined = 0
        for bits in word_bits[
            bisect_left(starts, start - _WINDOW) : bisect_left(starts, end + _WINDOW)
        ]:
            combined |= bits
        nearby.append(combined)
    return _bloom_filters(nearby)


@lru_cache(maxsize=50_000)
def _word_bits(word: str) -> int:
    """The bits of a word; the same for a country and its demonym."""
    stem = word.casefold()
    for ending in _ENDINGS:
        if stem.endswith(ending) and len(stem) - len(ending) >= _MIN_STEM:
            stem = stem.removesuffix(ending)
            break
    number, bits = zlib.crc32(stem.encode()), 0
    for _ in range(_BITS_PER_WORD):
        number, bit = divmod(number, _BITS)
        bits |= 1 << bit
    return bits


def _bloom_filters(word_bits: Sequence[int]) -> NDArray[np.uint64]:
    joined = b"".join(bits.to_bytes(_BITS // 8, "little") for bits in word_bits)
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
