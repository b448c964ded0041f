"""Descriptions that list alternatives: "lid or seal" is a lid, or a seal.

A transformer encodes "crack, hole or noise" as one thing, close to none of the three. So each
alternative is also encoded separately, and the vectors are averaged, like the prompts of a class in
CLIP (Radford and others 2021; figures in benchmarks/results/training.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ner_retriever_rag.encoder.labels import spelled_out
from ner_retriever_rag.queries.english import CLAUSE_WORDS, DETERMINERS, PREPOSITIONS

MAX_ALTERNATIVES = 8  # maximum number of alternatives; longer lists are a case for AnyOf
_OR = re.compile(r"\s+(?:and/)?or\s+|\s+/\s+", re.IGNORECASE)
_SEPARATOR = re.compile(rf"\s*,\s*(?:or\s+)?|{_OR.pattern}", re.IGNORECASE)
_PREPOSITIONS = PREPOSITIONS | {"of"}
_ARTICLES = (DETERMINERS - {"of"}) | {"another", "either"}
_CLAUSES = CLAUSE_WORDS - _ARTICLES - {"or"}


def alternatives(description: str) -> list[str]:
    """Split a description at "or" into its alternatives; an empty list if it has none.

    Words up to a preposition, or after the last alternative, are shared by all: "field of
    knowledge or technology", "river or lake in Africa"; so is a final noun that is modified by
    single words: "French or Italian painter". Clauses ("drug that lowers blood pressure or
    cholesterol") are not split.

    Args:
        description: A type description.
    """
    spelled = spelled_out(description)
    parts = [part.split() for part in _SEPARATOR.split(spelled) if part.strip()]
    if not _OR.search(spelled) or not 2 <= len(parts) <= MAX_ALTERNATIVES:
        return []
    if any(map(_begins_clause, parts[0])) or any(map(_is_participle, parts[0][1:-1])):
        return []
    before = _after_last_preposition(parts[0])
    after = _end_of_noun_phrase(parts[-1])
    shared, rest = parts[0][:before], parts[-1][after:]
    parts[0], parts[-1] = parts[0][before:], parts[-1][:after]
    own_noun = parts[-1][:1] in (["other"], ["another"])
    nouns = [_without_articles(part) for part in parts]
    if not all(nouns):
        return []
    last = nouns[-1]
    if len(last) > 1 and not own_noun:
        nouns = [_with_noun(words, last[-1]) for words in nouns]
    return list(dict.fromkeys(" ".join([*shared, *noun, *rest]) for noun in nouns))


def _begins_clause(word: str) -> bool:
    return word.casefold() in _CLAUSES


def _is_participle(word: str) -> bool:
    return word.endswith(("ing", "ed"))


def _after_last_preposition(words: Sequence[str]) -> int:
    """The index after the last preposition; 0 if there is none."""
    ends = (place + 1 for place, word in enumerate(words) if word.casefold() in _PREPOSITIONS)
    return max(ends, default=0)


def _end_of_noun_phrase(words: Sequence[str]) -> int:
    """The index where a preposition, a clause or a participle follows the noun."""
    for place, word in enumerate(words[1:], start=1):
        participle = _is_participle(word) and place < len(words) - 1
        if word.casefold() in _PREPOSITIONS or _begins_clause(word) or participle:
            return place
    return len(words)


def _without_articles(words: Sequence[str]) -> list[str]:
    start = 0
    while start < len(words) and words[start].casefold() in _ARTICLES:
        start += 1
    return list(words[start:])


def _with_noun(words: list[str], noun: str) -> list[str]:
    """Append a shared noun to a single word: "French painter" in "French or Italian painter"."""
    return [*words, noun] if len(words) == 1 and words != [noun] else words
