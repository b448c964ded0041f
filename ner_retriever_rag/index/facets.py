"""The kinds of entity in an index, counted and named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.kinds import Kinds

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable

_BLOCK = 1_024  # mentions compared with the vocabulary at once
_CANDIDATES = 24  # mentions kept of each kind, to take its examples from


@dataclass(frozen=True, slots=True)
class Facet:
    """One kind of entity in a corpus.

    Attributes:
        type: Its name, a type description to search with.
        mentions: How many mentions are best named so.
        documents: How many documents they are in.
        examples: Some of their names, those that fit best first.
    """

    type: str
    mentions: int
    documents: int
    examples: list[str]


@dataclass(slots=True)
class _Tally:
    """What is known of one kind while counting."""

    mentions: int = 0
    documents: set[int] = field(default_factory=set)
    best: list[tuple[float, int]] = field(default_factory=list)

    def add(self, fit: float, mention: int, document: int) -> None:
        self.mentions += 1
        self.documents.add(document)
        push = heappush if len(self.best) < _CANDIDATES else heappushpop
        push(self.best, (fit, -mention))

    def merge(self, other: _Tally) -> None:
        self.mentions += other.mentions
        self.documents |= other.documents
        self.best = sorted(self.best + other.best)[-_CANDIDATES:]


def count_facets(
    table: MentionTable,
    kinds: Kinds,
    allowed: NDArray[np.bool_],
    *,
    n: int,
    examples: int,
    least_score: float,
) -> list[Facet]:
    """Count the kinds of entity; ``EntityIndex.facets`` explains.

    Each mention counts once, for the phrase of the vocabulary that fits it best, unless it
    overlaps one that fits its own better. Rarer phrases that mean nearly the same as a more
    frequent one are then counted as that.

    Args:
        table: The mentions.
        kinds: The vocabulary.
        allowed: bool ``(documents,)``, which documents count.
        n: How many kinds at most.
        examples: How many names of each.
        least_score: Mentions that nothing fits so well are not counted.
    """
    floor = np.log(least_score / (1 - least_score))
    tallies: dict[int, _Tally] = {}
    kind, fit = _best_kinds(table, kinds)
    fit[~allowed[table.owner]] = -np.inf
    best = np.argsort(-fit, kind="stable")[: int((fit >= floor).sum())]
    for mention in table.apart(best.tolist()):
        tally = tallies.setdefault(int(kind[mention]), _Tally())
        tally.add(float(fit[mention]), mention, int(table.owner[mention]))
    merged = _merged(tallies, kinds)
    top = sorted(merged.items(), key=lambda item: (-item[1].mentions, item[0]))[:n]
    return [
        Facet(
            kinds.names[kind],
            tally.mentions,
            len(tally.documents),
            _names(table, (-place for _, place in sorted(tally.best, reverse=True)))[:examples],
        )
        for kind, tally in top
    ]


def _best_kinds(table: MentionTable, kinds: Kinds) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The kind that fits each mention best, and how well (log-odds)."""
    kind = np.zeros(len(table), dtype=np.intp)
    fit = np.zeros(len(table), dtype=np.float32)
    for start in range(0, len(table), _BLOCK):
        some = slice(start, start + _BLOCK)
        fits = kinds.fit_to_name(table.vectors[some])
        kind[some] = best = fits.argmax(axis=1)
        fit[some] = fits[np.arange(len(fits)), best]
    return kind, fit


def _merged(tallies: Mapping[int, _Tally], kinds: Kinds) -> dict[int, _Tally]:
    merged: dict[int, _Tally] = {}
    for kind in sorted(tallies, key=lambda kind: (-tallies[kind].mentions, kind)):
        if kinds.is_synonym(kind, list(merged)):
            merged[kinds.nearest(kind, list(merged))[0]].merge(tallies[kind])
        else:
            merged[kind] = tallies[kind]
    return merged


def _names(table: MentionTable, mentions: Iterable[int]) -> list[str]:
    """Distinct names of mentions, in order."""
    names: dict[str, str] = {}
    for mention in mentions:
        name = table.text(mention)
        names.setdefault(name.casefold(), name)
    return list(names.values())
