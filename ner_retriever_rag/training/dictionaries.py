"""Terms of dictionaries, found in running text: "ramipril" is a drug wherever it occurs.

Single words count only in lower case: "Weaver" is usually a name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from ner_retriever_rag.queries.english import singular
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.occurrences import Kind, Occurrence

_WORD = re.compile(r"\w[\w'-]*")
_MOST_WORDS = 4  # of a term
_SHORTEST = 4  # characters; shorter terms are mostly ambiguous abbreviations
_PER_TERM = 5  # most occurrences of a term
_SEPARATOR = " | "  # between the descriptions of a kind

Names = dict[str, tuple[str, ...] | None]  # of a term's kind; None if it is of several


def read_dictionaries(path: str | Path) -> dict[tuple[str, ...], set[str]]:
    """Read a JSON object that maps descriptions of a kind ("drug | medication") to its terms.

    Returns:
        Lower-case terms by the descriptions of their kind.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not hold such an object.
    """
    kinds = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(kinds, dict) or not all(isinstance(each, list) for each in kinds.values()):
        raise ValueError(
            f"{path}: expected an object like " + '{"drug | medication": ["ramipril"]}'
        )
    return {
        tuple(names.split(_SEPARATOR)): {str(term).lower() for term in terms}
        for names, terms in kinds.items()
    }


def terms_in(texts: Iterable[str], terms_of: dict[tuple[str, ...], set[str]]) -> dict[str, Kind]:
    """Occurrences of terms; singular and plural, longest match first.

    Args:
        texts: The texts.
        terms_of: Lower-case terms by the descriptions of their kind.

    Returns:
        A kind for every dictionary, by its first description.
    """
    names_of: Names = {}
    for names, terms in terms_of.items():
        for term in terms:
            if len(term) >= _SHORTEST:
                names_of[term] = None if names_of.get(term, names) != names else names
    kinds = {names[0]: Kind(names) for names in terms_of}
    seen: Counter[str] = Counter()
    for text in texts:
        for term, names, span in _terms(text, names_of):
            seen[term] += 1
            if seen[term] <= _PER_TERM:
                kinds[names[0]].occurrences.append(Occurrence(MentionContext(text, *span)))
    return kinds


def _terms(text: str, names_of: Names) -> Iterator[tuple[str, tuple[str, ...], Span]]:
    """The terms of a text, with the descriptions of their kind."""
    words = [word.span() for word in _WORD.finditer(text)]
    place = 0
    while place < len(words):
        longest = words[place : place + _MOST_WORDS]
        for count in range(len(longest), 0, -1):
            span = longest[0][0], longest[count - 1][1]
            if found := _term(text[slice(*span)], names_of):
                yield *found, span
                place += count - 1
                break
        place += 1


def _term(written: str, names_of: Names) -> tuple[str, tuple[str, ...]] | None:
    """A term as dictionaries have it, and the descriptions of its kind."""
    *first, last = written.split(" ")
    if not first and not written[0].islower():
        return None
    for ending in (last, singular(last.lower())):
        term = " ".join([*first, ending]).lower()
        if (names := names_of.get(term)) is not None:
            return term, names
    return None
