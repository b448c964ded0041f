"""Mentions that only repeat what was asked for.

To "volcano" the nearest of all spans are often the words "volcano" and "active volcanoes", and to
"moon of Saturn" it is "Saturn". A name is a better answer than a word of the question, so ranking
puts such mentions lower.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from enum import Enum

from ner_retriever_rag.encoder.labels import spelled_out
from ner_retriever_rag.queries.english import CLAUSE_WORDS, PREPOSITIONS, singular

_ARTICLES = frozenset(("a", "an", "the"))
_WORD = re.compile(r"\w+")
_POSSESSIVE = re.compile(r"['’]s?$")


class Repeats(Enum):
    """How a mention repeats a description."""

    NOTHING = 0
    ALL = 1  # "[Saturn]" for "moon of Saturn", "[the volcanoes]" for "volcano"
    LOWER_CASE_HEAD = 2  # "[third lighthouse]" for "lighthouse"


class Repetition:
    """The words of a type description, to know its repetitions by.

    Args:
        description: The type description.

    Attributes:
        last_words: ``last_word`` of every mention that may be a repetition; what has another one
            need not be looked at.
    """

    def __init__(self, description: str) -> None:
        words = _content(spelled_out(description))
        self._head = singular(noun_asked_for(words)) if words else ""
        self._words = frozenset(map(singular, words))
        self.last_words = frozenset(map(_number, self._words))

    def of(self, mention: str, *, cased: bool) -> Repeats:
        """How a mention repeats the description.

        Args:
            mention: Its words.
            cased: Whether its document uses capitals at all; where none does, lower case says
                nothing.
        """
        words = _content(mention)
        if self._words.issuperset(map(singular, words)):
            return Repeats.ALL
        if cased and mention == mention.lower() and singular(words[-1]) == self._head:
            return Repeats.LOWER_CASE_HEAD
        return Repeats.NOTHING


def last_word(mention: str) -> int:
    """A number that mentions with the same last word share; case, plural, possessive aside."""
    words = _words(_POSSESSIVE.sub("", mention))
    return _number(singular(words[-1])) if words else 0


def _number(word: str) -> int:
    return zlib.crc32(word.encode())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if word not in _ARTICLES]


def noun_asked_for(words: Sequence[str]) -> str:
    """What stands before the first preposition or clause ("drug that lowers").

    Args:
        words: One or more, in lower case.
    """
    for before, word in zip(words, words[1:], strict=False):
        if word in PREPOSITIONS or word in CLAUSE_WORDS:
            return before
    return words[-1]
