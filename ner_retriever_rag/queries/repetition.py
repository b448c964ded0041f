"""Mentions that only repeat the type description.

The nearest spans to "volcano" are often the words "volcano" and "active volcanoes", and the nearest
to "moon of Saturn" is "Saturn". A name is a better result than a word of the query, so ranking
demotes such mentions.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from ner_retriever_rag.encoder.labels import spelled_out
from ner_retriever_rag.queries.english import CLAUSE_WORDS, PREPOSITIONS, singular

_ARTICLES = frozenset(("a", "an", "the"))
_WORD = re.compile(r"\w+")
_POSSESSIVE = re.compile(r"['’]s?$")


class Repetition:
    """The words of a type description, to recognize repetitions of it.

    Args:
        description: The type description.

    Attributes:
        last_words: ``last_word`` of every mention that may be a repetition; mentions with another
            one need not be checked.
    """

    def __init__(self, description: str) -> None:
        words = _content_words(spelled_out(description))
        self._words = frozenset(map(singular, words))
        self.last_words = frozenset(map(_hash, self._words))

    def covers(self, mention: str) -> bool:
        """Whether a mention has only words of the description."""
        return self._words.issuperset(map(singular, _content_words(mention)))


def last_word(mention: str) -> int:
    """Hash of a mention's last word, ignoring case, plural and possessive."""
    words = _words(_POSSESSIVE.sub("", mention))
    return _hash(singular(words[-1])) if words else 0


def _hash(word: str) -> int:
    return zlib.crc32(word.encode())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _content_words(text: str) -> list[str]:
    return [word for word in _words(text) if word not in _ARTICLES]


def requested_noun(words: Sequence[str]) -> str:
    """The word before the first preposition or clause ("drug that lowers"), or the last word.

    Args:
        words: One or more words, in lower case.
    """
    for before, word in zip(words, words[1:], strict=False):
        if word in PREPOSITIONS or word in CLAUSE_WORDS:
            return before
    return words[-1]
