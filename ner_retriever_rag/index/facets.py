"""The kinds of entity in an index, counted and named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, Any

import numpy as np

from ner_retriever_rag.encoder.kinds import Kinds
from ner_retriever_rag.index.store import MentionKey, Store

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

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
    documents: set[str] = field(default_factory=set)
    best: list[tuple[float, MentionKey]] = field(default_factory=list)

    def add(self, fit: float, key: MentionKey) -> None:
        self.mentions += 1
        self.documents.add(key.doc_id)
        push = heappush if len(self.best) < _CANDIDATES else heappushpop
        push(self.best, (fit, key))

    def merge(self, other: _Tally) -> None:
        self.mentions += other.mentions
        self.documents |= other.documents
        self.best = sorted(self.best + other.best)[-_CANDIDATES:]


def count_facets(
    store: Store,
    encoder: TypeAwareEncoder,
    n: int,
    where: Mapping[str, Any] | None,
    examples: int,
    least_score: float,
) -> list[Facet]:
    """Count the kinds of entity; ``EntityIndex.facets`` explains.

    Each mention counts once, for the phrase of the vocabulary that fits it best, unless it
    overlaps one that fits its own better. Rarer phrases that mean nearly the same as a more
    frequent one are then counted as that.

    Args:
        store: Where the mentions are.
        encoder: What they were encoded with.
        n: How many kinds at most.
        where: Metadata filter.
        examples: How many names of each.
        least_score: Mentions that nothing fits so well are not counted.
    """
    kinds = encoder.kinds
    floor = np.log(least_score / (1 - least_score))
    tallies: dict[int, _Tally] = {}
    for keys, vectors in store.scan(where):
        fit = kinds.fit(vectors)
        kind, value = fit.argmax(axis=1), fit.max(axis=1)
        taken: dict[str, list[MentionKey]] = {}
        for number in np.argsort(-value, kind="stable"):
            key = keys[number]
            if value[number] < floor:
                break
            if not any(_overlap(key, other) for other in taken.get(key.doc_id, [])):
                taken.setdefault(key.doc_id, []).append(key)
                tallies.setdefault(int(kind[number]), _Tally()).add(float(value[number]), key)
    merged = _merged(tallies, kinds)
    top = sorted(merged.items(), key=lambda item: (-item[1].mentions, item[0]))[:n]
    return [
        Facet(
            kinds.names[kind],
            tally.mentions,
            len(tally.documents),
            _names(store, (key for _, key in sorted(tally.best, reverse=True)))[:examples],
        )
        for kind, tally in top
    ]


def _overlap(one: MentionKey, other: MentionKey) -> bool:
    return one.start < other.end and other.start < one.end


def _merged(tallies: Mapping[int, _Tally], kinds: Kinds) -> dict[int, _Tally]:
    merged: dict[int, _Tally] = {}
    for kind in sorted(tallies, key=lambda kind: (-tallies[kind].mentions, kind)):
        if kinds.is_synonym(kind, list(merged)):
            merged[kinds.nearest(kind, list(merged))[0]].merge(tallies[kind])
        else:
            merged[kind] = tallies[kind]
    return merged


def _names(store: Store, keys: Iterable[MentionKey]) -> list[str]:
    """Distinct names of mentions, in order."""
    ordered = list(keys)
    records = store.fetch(dict.fromkeys(key.doc_id for key in ordered))
    names: dict[str, str] = {}
    for key in ordered:
        if key.doc_id in records:
            name = records[key.doc_id].document.text[key.start : key.end]
            names.setdefault(name.casefold(), name)
    return list(names.values())
