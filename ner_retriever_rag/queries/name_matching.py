"""Name matching: which names may refer to one entity, judged by the names alone.

Nothing here is certain: "Apple" and "Apple Inc." may be a fruit and a company, "Doe" and "John Doe"
two people. Possible matches are joined only if their contexts agree, too
(:mod:`~ner_retriever_rag.index.joining`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from cleanco import basename, prepare_default_terms
from cleanco.clean import remove_accents

from ner_retriever_rag.encoder.names import name_key
from ner_retriever_rag.queries.english import is_noun

_WORD = re.compile(r"\w+(?:['’`-]\w+)*\.?")
_INITIALS = re.compile(r"\b\w(?: \w\b)+")  # "u s", with periods removed
_HONORIFICS = frozenset(
    "mr mrs ms miss mx dr prof professor sir dame lord lady st saint president king queen prince "
    "princess pope emperor captain general judge justice senator".split()
)
_GENERATIONS = frozenset("jr sr ii iii iv".split())
_LIGATURES = str.maketrans({"æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})  # cleanco keeps these
_MAX_WORDS = 8  # words of a name that are considered


@lru_cache(maxsize=100_000)
def spelling(name: str) -> str:
    """Normalize a name: case, accents, punctuation, ligatures, spaced initials.

    >>> spelling("U. S.") == spelling("U.S."), spelling("Ægir") == spelling("Aegir")
    (True, True)
    """
    key = name_key(_fold_accents(name))
    return _INITIALS.sub(lambda run: run[0].replace(" ", ""), key)


def _fold_accents(name: str) -> str:
    """A name without accents and ligatures; if it has non-ASCII letters, also lowercased."""
    return name if name.isascii() else remove_accents(name).translate(_LIGATURES)


@lru_cache(maxsize=100_000)
def without_legal_form(name: str) -> str:
    """Normalize a name and remove a company's legal form.

    >>> without_legal_form("Apple Inc.")
    'apple'
    """
    words = name.split()
    # A legal form comes last, in a name with capitals; "limited edition" has neither.
    if len(words) < 2 or name.islower() or _bare(words[-1]) not in legal_words():
        return spelling(name)
    bare, before = basename(name), name
    while bare != before:  # "Co., Ltd." is two forms
        bare, before = basename(bare), bare
    return spelling(bare) if len(bare) > 1 else spelling(name)


@cache
def legal_words() -> frozenset[str]:
    """The last words of all legal forms, lowercased, without periods: "inc", "gmbh"."""
    return frozenset(words[-1] for _, words in prepare_default_terms())


def _bare(word: str) -> str:
    return re.sub(r"[^\w]", "", _fold_accents(word)).lower()


@dataclass(frozen=True, slots=True)
class NameParts:
    """The parts of a possible person name.

    Attributes:
        words: The words, lowercased, without titles and generation; initials as one letter.
        generation: "jr", "iii", ...; empty for none.
        capitalized: Whether every word is capitalized, as in names of people and places.
    """

    words: tuple[str, ...]
    generation: str
    capitalized: bool

    @classmethod
    def of(cls, name: str) -> NameParts:
        """Parse a name."""
        return _parse_name(name)


@lru_cache(maxsize=100_000)
def _parse_name(name: str) -> NameParts:
    found = _WORD.findall(re.sub(r"['’]s?\s*$", "", _fold_accents(name)))
    capitalized = all(word[0].isupper() for word in _WORD.findall(name))
    low = [word.rstrip(".").lower() for word in found]
    if low and low[0] == "the":
        low = low[1:]
    while len(low) > 1 and low[0] in _HONORIFICS:
        low = low[1:]
    generation = low.pop() if len(low) > 1 and low[-1] in _GENERATIONS else ""
    return NameParts(tuple(low[:_MAX_WORDS]), generation, capitalized)


def is_short_form(short: str, full: str) -> bool:
    """Whether a name may be the short form of a person's fuller name.

    "J. Doe", "John Doe", "Doe" and "John" of "John T. Doe"; not "John Doe" of "John Doe Jr.".
    """
    one, other = NameParts.of(short), NameParts.of(full)
    if not (one.words and other.words and one.capitalized and other.capitalized):
        return False
    if one.words == other.words:
        return False
    if len(one.words) == 1:
        alone = len(other.words) == 1 or len(one.words[0]) < 2
        return not alone and one.words[0] in (other.words[0], other.words[-1])
    if len(one.words) > len(other.words) or one.generation != other.generation:
        return False
    return _abbreviates(one.words, other.words)


def _abbreviates(short: tuple[str, ...], full: tuple[str, ...]) -> bool:
    """Whether one name has the other's words, some left out, some abbreviated to initials."""
    if short[-1] != full[-1]:
        return False
    rest = iter(full[:-1])
    return all(
        any(other == word or (len(word) == 1 and other.startswith(word)) for other in rest)
        for word in short[:-1]
    )


def lacks_kind_word(short: str, full: str) -> bool:
    """Whether a name is another without the word for its kind: "Nile" of "Nile River"."""
    one, other = spelling(short).split(), spelling(full).split()
    if not one or len(other) != len(one) + 1:
        return False
    return (other[:-1] == one and is_noun(other[-1])) or (other[1:] == one and is_noun(other[0]))


def match_reason(name: str, head: str) -> str | None:
    """The reason why a name can refer to an entity with another name; None if it cannot.

    Args:
        name: The name.
        head: The main name of the entity.
    """
    if spelling(name) == spelling(head):
        return "spelling"
    if without_legal_form(name) == without_legal_form(head):
        return "legal form"
    if lacks_kind_word(name, head) or lacks_kind_word(head, name):
        return "word for its kind"
    if is_short_form(name, head) or is_short_form(head, name):
        return "short form"
    return None
