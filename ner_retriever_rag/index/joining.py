"""Mentions put together that are of one entity: by name, and where what they stand for agrees.

Four steps. Mentions of one spelling in one document are one: a writer does not call two things by
one name without saying so. Within a document a short form goes to the one fuller name it fits
("Doe" to "John T. Doe"; to none where there are two). Between documents names of one spelling, or
one but for a legal form or middle names, go together where their vectors agree, so that two people
of one name in two contexts stay apart; a name of several words needs less agreement than one of a
single word, which more things are called by. At last a surname whose document has no fuller name
goes to the one person among all documents who has it, if there is only one and the vectors agree.
``benchmarks/same_names.py`` measures it, with a dev half for the thresholds and a test half.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.decisions import Decisions
from ner_retriever_rag.queries.same_name import (
    Words,
    is_short_form,
    is_without_kind,
    spelling,
    without_legal_form,
)

AGREE_SHORT = 0.2  # cosine of a short form and its fuller name, in one document
AGREE_ONE_WORD, AGREE_WORDS = 0.55, 0.25  # of names in two documents
A_PERSON = 0.2  # probability from which a name may have a person's short forms


@dataclass(slots=True)
class _Group:
    """Mentions of one entity, as far as is known.

    Attributes:
        name: Its fullest name so far.
        document: Where it is.
        mentions: Their numbers.
        total: float64 ``(dim,)``, the sum of their vectors.
        person: Mean probability that they are people.
        spellings: All its names.
    """

    name: str
    document: int
    mentions: list[int]
    total: NDArray[np.float64]
    person: float
    spellings: set[str] = field(default_factory=set)

    def agreement(self, other: _Group) -> float:
        """The cosine of both means."""
        norms = np.linalg.norm(self.total) * np.linalg.norm(other.total)
        return float(self.total @ other.total / norms) if norms else 1.0

    def take(self, other: _Group) -> None:
        """Put another's mentions to these."""
        self.mentions += other.mentions
        self.total = self.total + other.total
        self.spellings |= other.spellings


def join(
    names: Sequence[str],
    documents: NDArray[np.integer],
    vectors: NDArray[np.float32],
    people: NDArray[np.float32],
    decisions: Decisions | None = None,
) -> list[list[int]]:
    """Put mentions together that are of one entity.

    Args:
        names: The mentions' words.
        documents: ``(n,)``, the number of each one's document.
        vectors: float32 ``(n, dim)``, what each one's context makes of it.
        people: float32 ``(n,)``, the probability that each is a person.
        decisions: What was decided before, which goes before all rules.

    Returns:
        The mentions of each entity, by their places in ``names``.
    """
    decisions = decisions or Decisions()
    groups = []
    for local in _by_spelling(names, documents, vectors, people):
        groups += _with_short_forms(local, decisions)
    groups = _with_surnames(_between_documents(groups, decisions), decisions)
    return [each.mentions for each in _merged(groups, decisions)]


def _by_spelling(
    names: Sequence[str],
    documents: NDArray[np.integer],
    vectors: NDArray[np.float32],
    people: NDArray[np.float32],
) -> list[list[_Group]]:
    """The mentions of one spelling in each document."""
    found: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for n, (name, document) in enumerate(zip(names, documents.tolist(), strict=True)):
        found[document][spelling(name)].append(n)
    return [
        [
            _Group(
                max((names[n] for n in mentions), key=len),
                document,
                mentions,
                vectors[mentions].sum(axis=0, dtype=np.float64),
                float(people[mentions].mean()),
                {key},
            )
            for key, mentions in of_it.items()
        ]
        for document, of_it in found.items()
    ]


def _with_short_forms(groups: list[_Group], decisions: Decisions) -> list[_Group]:
    """The groups of one document, each short form put to the one fuller name it fits."""
    if len(groups) == 1:
        return groups
    fuller = {
        n: [m for m, full in enumerate(groups) if m != n and _shortens(short, full, decisions)]
        for n, short in enumerate(groups)
    }
    kept = []
    for n, group in enumerate(groups):
        fullest = [m for m in fuller[n] if not fuller[m]]
        if len(fullest) == 1 and group.agreement(groups[fullest[0]]) >= AGREE_SHORT:
            groups[fullest[0]].take(group)
        else:
            kept.append(group)
    return kept


def _shortens(short: _Group, full: _Group, decisions: Decisions) -> bool:
    if decisions.apart(short.spellings, full.spellings):
        return False
    if without_legal_form(full.name) == spelling(short.name):
        return True
    if is_without_kind(short.name, full.name):
        return True
    return full.person >= A_PERSON and is_short_form(short.name, full.name)


def _between_documents(groups: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """Groups of one name from several documents, those put together that agree."""
    blocks: dict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        blocks[_block(group)].append(group)
    joined = []
    for block in blocks.values():
        joined += _agreeing(block, decisions) if len(block) > 1 else block
    return joined


def _block(group: _Group) -> str:
    """What groups share that may be one: the name, without middle names or a legal form."""
    words, bare = Words.of(group.name), without_legal_form(group.name)
    if bare != spelling(group.name):
        return bare
    if group.person >= A_PERSON and words.capitals and len(words.words) > 1:
        return f"{words.words[0]} {words.words[-1]} {words.generation}"
    return bare


def _agreeing(block: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """Groups that share a name, each put to the one it agrees with most, if it does with one."""
    clusters: list[_Group] = []
    for group in sorted(block, key=lambda each: (-len(each.mentions), each.document)):
        words = len(without_legal_form(group.name).split())
        least = AGREE_ONE_WORD if words < 2 else AGREE_WORDS
        near = [(group.agreement(each), n) for n, each in enumerate(clusters)
                if _compatible(group, each, decisions)]  # fmt: skip
        agreement, nearest = max(near, default=(-1.0, -1))
        if agreement >= least:
            clusters[nearest].take(group)
            # The fuller name, so that "John F. Doe" is not put to "John Doe" and "John T. Doe".
            clusters[nearest].name = max(clusters[nearest].name, group.name, key=len)
        else:
            clusters.append(group)
    return clusters


def _compatible(group: _Group, other: _Group, decisions: Decisions) -> bool:
    """Whether no name of one speaks against the other."""
    if decisions.apart(group.spellings, other.spellings):
        return False
    if without_legal_form(group.name) == without_legal_form(other.name):
        return True
    return is_short_form(group.name, other.name) or is_short_form(other.name, group.name)


def _with_surnames(groups: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """The groups of all documents, each bare surname put to the one person who has it."""
    called: dict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        words = Words.of(group.name)
        if len(words.words) > 1 and group.person >= A_PERSON:
            called[words.words[-1]].append(group)
    kept = []
    for group in groups:
        words = Words.of(group.name)
        people = called.get(words.words[0], []) if len(words.words) == 1 else []
        fits = len(people) == 1 and _shortens(group, people[0], decisions)
        if fits and group.agreement(people[0]) >= AGREE_ONE_WORD:
            people[0].take(group)
        else:
            kept.append(group)
    return kept


def _merged(groups: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """Groups whose names were said to be one put together."""
    if not decisions.merged:
        return list(groups)
    number = decisions.groups
    kept: list[_Group] = []
    first: dict[int, _Group] = {}
    for group in groups:
        of = next((number[key] for key in group.spellings if key in number), None)
        if of is None:
            kept.append(group)
        elif of in first:
            first[of].take(group)
        else:
            kept.append(first.setdefault(of, group))
    return kept
