"""Grouping of mentions into entities, by name and by agreement of their vectors.

Four steps:

1. Mentions of one spelling in one document are one entity: a writer does not use one name for two
   things without saying so.
2. Within a document, a short form joins the only fuller name it fits ("Doe" joins "John T. Doe"),
   or none if there are two.
3. Across documents, names that are equal, or equal except for a legal form or middle names, are
   joined if their vectors agree, so that namesakes in different contexts stay apart. A name of
   several words needs less agreement than a single word, which is shared by more things.
4. A surname whose document has no fuller name joins the person who bears it, if there is only one
   in all documents and the vectors agree.

``benchmarks/same_names.py`` evaluates this, with a dev half for the thresholds and a test half.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.decisions import Decisions
from ner_retriever_rag.queries.name_matching import (
    NameParts,
    is_short_form,
    lacks_kind_word,
    spelling,
    without_legal_form,
)

MIN_COSINE_SHORT_FORM = 0.2  # minimum cosine of a short form and its fuller name, in one document
MIN_COSINE_ONE_WORD, MIN_COSINE_WORDS = 0.55, 0.25  # the same for names in two documents
MIN_PERSON_PROBABILITY = (
    0.2  # minimum probability of a person for a name to have a person's short forms
)


@dataclass(slots=True)
class _Group:
    """Mentions grouped so far as one entity.

    Attributes:
        name: Its fullest name so far.
        document: Number of its document, or of one of them.
        mentions: Numbers of the mentions.
        total: float64 ``(dim,)``, the sum of their vectors.
        person: Mean probability that the mentions are of a person.
        spellings: All its normalized spellings.
    """

    name: str
    document: int
    mentions: list[int]
    total: NDArray[np.float64]
    person: float
    spellings: set[str] = field(default_factory=set)

    def agreement(self, other: _Group) -> float:
        """The cosine of the two mean vectors."""
        norms = np.linalg.norm(self.total) * np.linalg.norm(other.total)
        return float(self.total @ other.total / norms) if norms else 1.0

    def absorb(self, other: _Group) -> None:
        """Absorb another group's mentions."""
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
    """Group mentions by entity.

    Args:
        names: The mentions' texts.
        documents: ``(n,)``, the number of each mention's document.
        vectors: float32 ``(n, dim)``, the mentions' contextual vectors.
        people: float32 ``(n,)``, the probability that each is a person.
        decisions: The user's decisions, which take precedence over all rules.

    Returns:
        The mentions of each entity, as positions in ``names``.
    """
    decisions = decisions or Decisions()
    groups = []
    for local in _by_spelling(names, documents, vectors, people):
        groups += _with_short_forms(local, decisions)
    groups = _with_surnames(_across_documents(groups, decisions), decisions)
    return [each.mentions for each in _merged(groups, decisions)]


def _by_spelling(
    names: Sequence[str],
    documents: NDArray[np.integer],
    vectors: NDArray[np.float32],
    people: NDArray[np.float32],
) -> list[list[_Group]]:
    """Group the mentions of one spelling in each document."""
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
    """Join each short form in a document to the only fuller name it fits."""
    if len(groups) == 1:
        return groups
    fuller = {
        n: [m for m, full in enumerate(groups) if m != n and _shortens(short, full, decisions)]
        for n, short in enumerate(groups)
    }
    kept = []
    for n, group in enumerate(groups):
        fullest = [m for m in fuller[n] if not fuller[m]]
        if len(fullest) == 1 and group.agreement(groups[fullest[0]]) >= MIN_COSINE_SHORT_FORM:
            groups[fullest[0]].absorb(group)
        else:
            kept.append(group)
    return kept


def _shortens(short: _Group, full: _Group, decisions: Decisions) -> bool:
    if decisions.are_split(short.spellings, full.spellings):
        return False
    if without_legal_form(full.name) == spelling(short.name):
        return True
    if lacks_kind_word(short.name, full.name):
        return True
    return full.person >= MIN_PERSON_PROBABILITY and is_short_form(short.name, full.name)


def _across_documents(groups: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """Join groups of one name across documents if their vectors agree."""
    blocks: dict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        blocks[_block(group)].append(group)
    joined = []
    for block in blocks.values():
        joined += _clustered(block, decisions) if len(block) > 1 else block
    return joined


def _block(group: _Group) -> str:
    """Blocking key of groups that may be joined: the name without middle names or legal form."""
    words, bare = NameParts.of(group.name), without_legal_form(group.name)
    if bare != spelling(group.name):
        return bare
    if group.person >= MIN_PERSON_PROBABILITY and words.capitalized and len(words.words) > 1:
        return f"{words.words[0]} {words.words[-1]} {words.generation}"
    return bare


def _clustered(block: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """Greedily join each group of a block to the cluster it agrees with most, if it does."""
    clusters: list[_Group] = []
    for group in sorted(block, key=lambda each: (-len(each.mentions), each.document)):
        words = len(without_legal_form(group.name).split())
        least = MIN_COSINE_ONE_WORD if words < 2 else MIN_COSINE_WORDS
        near = [(group.agreement(each), n) for n, each in enumerate(clusters)
                if _compatible(group, each, decisions)]  # fmt: skip
        agreement, nearest = max(near, default=(-1.0, -1))
        if agreement >= least:
            clusters[nearest].absorb(group)
            # Keep the fuller name, so that "John F. Doe" cannot join "John Doe" and "John T. Doe".
            clusters[nearest].name = max(clusters[nearest].name, group.name, key=len)
        else:
            clusters.append(group)
    return clusters


def _compatible(group: _Group, other: _Group, decisions: Decisions) -> bool:
    """Whether the names of two groups do not contradict each other."""
    if decisions.are_split(group.spellings, other.spellings):
        return False
    if without_legal_form(group.name) == without_legal_form(other.name):
        return True
    return is_short_form(group.name, other.name) or is_short_form(other.name, group.name)


def _with_surnames(groups: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """Join each bare surname to the only person in all documents who bears it."""
    by_surname: dict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        words = NameParts.of(group.name)
        if len(words.words) > 1 and group.person >= MIN_PERSON_PROBABILITY:
            by_surname[words.words[-1]].append(group)
    kept = []
    for group in groups:
        words = NameParts.of(group.name)
        people = by_surname.get(words.words[0], []) if len(words.words) == 1 else []
        fits = len(people) == 1 and _shortens(group, people[0], decisions)
        if fits and group.agreement(people[0]) >= MIN_COSINE_ONE_WORD:
            people[0].absorb(group)
        else:
            kept.append(group)
    return kept


def _merged(groups: Sequence[_Group], decisions: Decisions) -> list[_Group]:
    """Join groups whose names the user has merged."""
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
            first[of].absorb(group)
        else:
            kept.append(first.setdefault(of, group))
    return kept
