"""Terms of dictionaries, found in running text: "ramipril" is a drug wherever it occurs.

Single words count only in lower case: "Weaver" is usually a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from ner_retriever_rag.queries.english import singular
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.occurrences import Kind, Occurrence

_WORD = re.compile(r"\w[\w'-]*")
_MOST_WORDS = 4  # of a term
_SHORTEST = 4  # characters; shorter terms are mostly ambiguous abbreviations
_PER_TERM = 5  # most occurrences of a term
_SEPARATOR = " | "  # between the descriptions of a kind


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
    names_of: dict[str, tuple[str, ...] | None] = {}
    for names, terms in terms_of.items():
        for term in terms:
            if len(term) >= _SHORTEST:
                names_of[term] = None if names_of.get(term, names) != names else names
    kinds = {names[0]: Kind(names) for names in terms_of}
    seen: dict[str, int] = {}
    for text in texts:
        for term, names, start, end in _terms(text, names_of):
            if seen.get(term, 0) < _PER_TERM:
                seen[term] = seen.get(term, 0) + 1
                mention = MentionContext(text, start, end)
                kinds[names[0]].occurrences.append(Occurrence(mention))
    return kinds


def _terms(
    text: str, names_of: dict[str, tuple[str, ...] | None]
) -> Iterable[tuple[str, tuple[str, ...], int, int]]:
    """The terms of a text with the descriptions of their kind, and where they are."""
    words = list(_WORD.finditer(text))
    place = 0
    while place < len(words):
        for count in range(min(_MOST_WORDS, len(words) - place), 0, -1):
            start, end = words[place].start(), words[place + count - 1].end()
            if count == 1 and not text[start].islower():
                continue
            *first, last = text[start:end].lower().split(" ")
            for term in (" ".join([*first, last]), " ".join([*first, singular(last)])):
                if (names := names_of.get(term)) is not None:
                    yield term, names, start, end
                    place += count - 1
                    break
            else:
                continue
            break
        place += 1
