"""Lists of people as in papers, credits and minutes: "J. Smith, A. B. Miller and P. Rossi".

Annotated texts contain few of them, and a detector that saw none takes an author list for noise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ner_retriever_rag.training.annotated import AnnotatedSentence
from ner_retriever_rag.training.mined import MinedEntity

_PEOPLE = set(
    """
    politician actor actress writer director singer footballer musician poet journalist composer
    scientist physicist chemist biologist mathematician painter lawyer professor historian economist
    engineer novelist philosopher architect astronomer physician botanist
    """.split()
)
_MIN_PEOPLE, _MAX_PEOPLE = 2, 28  # people in a list
_BEFORE = ("", "", "", "Authors: ", "By ", "Present: ", "Attendees: ", "Cast: ", "and ")
_AFTER = ("", "", ".", ".", " et al.", " (2019)", ", eds.", ";")
_BETWEEN = (", ", ", ", ", ", "; ", " and ", " & ", " / ")
_LAST = (", ", " and ", ", and ", " & ")


def people_of(entities: Sequence[MinedEntity]) -> list[str]:
    """The names of people among mined entities, first name first."""
    return [
        each.title
        for each in entities
        if each.heads & _PEOPLE
        and 2 <= len(words := each.title.split()) <= 4
        and all(word[:1].isupper() and word.replace("-", "").isalpha() for word in words[:1])
        and words[-1].isalpha()
    ]


def people_lists(names: Sequence[str], count: int, rng: random.Random) -> list[AnnotatedSentence]:
    """Generate lists of people with every name marked, in the forms that names take in lists.

    Args:
        names: Names of people, from :func:`people_of`.
        count: Number of lists.
        rng: Chooses names and forms.
    """
    return [_list_of(names, rng) for _ in range(count)] if names else []


def _list_of(names: Sequence[str], rng: random.Random) -> AnnotatedSentence:
    form, between = rng.choice(_FORMS), rng.choice(_BETWEEN)
    last = rng.choice(_LAST) if between == ", " else between
    if form is _last_first:
        between = last = "; "  # the name itself contains a comma
    some = [form(rng.choice(names).split()) for _ in range(rng.randint(_MIN_PEOPLE, _MAX_PEOPLE))]
    text, spans = rng.choice(_BEFORE), []
    for place, name in enumerate(some):
        if place:
            text += last if place == len(some) - 1 else between
        spans.append((len(text), len(text) + len(name)))
        text += name
    return AnnotatedSentence(text + rng.choice(_AFTER), tuple(spans))


def _initials(words: Sequence[str], stop: str) -> str:
    return stop.join(word[0] for word in words if word[:1].isupper()) + stop.strip()


def _full_name(words: Sequence[str]) -> str:
    return " ".join(words)


def _initials_first(words: Sequence[str]) -> str:
    return f"{_initials(words[:-1], '. ')} {words[-1]}"


def _initials_close(words: Sequence[str]) -> str:
    return f"{_initials(words[:-1], '.')} {words[-1]}"


def _last_then_initials(words: Sequence[str]) -> str:
    return f"{words[-1]} {_initials(words[:-1], '')}"


def _last_first(words: Sequence[str]) -> str:
    return f"{words[-1]}, {_initials(words[:-1], '. ')}"


_FORMS: tuple[Callable[[Sequence[str]], str], ...] = (
    _full_name, _initials_first, _initials_first, _initials_close, _last_then_initials, _last_first,
)  # fmt: skip
