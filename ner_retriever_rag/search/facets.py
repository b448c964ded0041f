"""Facets: counts of the kinds of entity in an index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.kinds import Kinds, non_entity_phrases

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.queries.taxonomy import Taxonomy

_BLOCK = 1_024  # mentions compared with the vocabulary at once
_SCORED_PER_KIND = 2  # kinds scored, per kind wanted


@dataclass(frozen=True, slots=True)
class Facet:
    """One kind of entity in a corpus.

    Attributes:
        type: Its name, usable as a type description.
        mentions: Number of mentions that it fits best.
        documents: Number of documents they are in.
        examples: Some of their names, best-fitting first.
        path: In a taxonomy, the labels from the root down to this one.
        error: Standard error of ``mentions`` if they are estimated from a sample of documents;
            0 if all were counted.
    """

    type: str
    mentions: int
    documents: int
    examples: list[str]
    path: tuple[str, ...] = ()
    error: float = 0.0


def count_facets(
    table: MentionTable,
    kinds: Kinds,
    allowed: NDArray[np.bool_],
    scores_of: Callable[[int], NDArray[np.float32]],
    *,
    n: int,
    examples: int,
    least_score: float,
    taxonomy: Taxonomy | None = None,
    share: float = 1.0,
) -> list[Facet]:
    """Count the kinds of entity; see ``EntityIndex.facets``.

    Each mention is assigned to the phrase of the vocabulary that fits it best, unless it overlaps
    a mention that fits its own phrase better. Rarer near-synonyms are merged into the more
    frequent phrase. Then, for the most frequent kinds, only mentions that score high enough in a
    search for the kind are counted. With a taxonomy, all labels are scored, none are merged, and
    the counts of a label are added to those of its ancestors.

    Args:
        table: The mentions.
        kinds: The vocabulary.
        allowed: bool ``(documents,)``, which documents to count in.
        scores_of: Gives the scores of all mentions in a search for a kind, float32
            ``(mentions,)``.
        n: Maximum number of kinds.
        examples: Number of example names per kind.
        least_score: Mentions with a lower score are not counted.
        taxonomy: The taxonomy whose labels are the vocabulary, if any.
        share: Fraction of all documents that is in the table; counts are extrapolated to all.
    """
    # A taxonomy's labels are the user's choice; some of the shipped ones make no sense as kinds.
    odd = non_entity_phrases() if taxonomy is None else frozenset()
    kind, fit = _best_kinds(table, kinds, odd)
    order = np.argsort(-fit, kind="stable")
    order = order[allowed[table.owner[order]]]
    mentions: defaultdict[int, list[int]] = defaultdict(list)
    for mention in table.non_overlapping(order.tolist()):
        mentions[int(kind[mention])].append(mention)
    merged = _merged(mentions, kinds) if taxonomy is None else mentions
    most_frequent = sorted(merged.items(), key=lambda item: (-len(item[1]), item[0]))
    looked_at = most_frequent if taxonomy is not None else most_frequent[: _SCORED_PER_KIND * n]
    counted = {
        number: np.asarray(some)[scores_of(number)[some] >= least_score]
        for number, some in looked_at
    }
    if taxonomy is not None:
        counted = _rolled_up(counted, kinds, taxonomy)
    facets = []
    for number, scored in counted.items():
        best = scored[np.lexsort((scored, -fit[scored]))]
        if len(best):
            of_each = np.unique(table.owner[best], return_counts=True)[1]
            names = list(islice(_names(table, best.tolist()), examples))
            kind_name = kinds.names[number]
            path = () if taxonomy is None else taxonomy.path(kind_name)
            # Documents are sampled independently, so the variances of their counts add up.
            error = float(np.sqrt((1 - share) * np.square(of_each, dtype=np.float64).sum())) / share
            mentioned, documents = (round(count / share) for count in (len(best), len(of_each)))
            facets.append(Facet(kind_name, mentioned, documents, names, path, error))
    return sorted(facets, key=lambda facet: -facet.mentions)[:n]


def _rolled_up(
    counted: Mapping[int, NDArray[np.intp]], kinds: Kinds, taxonomy: Taxonomy
) -> dict[int, NDArray[np.intp]]:
    """Add the mentions counted for each label to its ancestors."""
    numbers = {label: number for number, label in enumerate(kinds.names)}
    rolled: defaultdict[int, list[NDArray[np.intp]]] = defaultdict(list)
    for number, some in counted.items():
        label = kinds.names[number]
        for each in (label, *taxonomy.above(label)):
            rolled[numbers[each]].append(some)
    return {number: np.concatenate(parts) for number, parts in rolled.items()}


def _best_kinds(
    table: MentionTable, kinds: Kinds, excluded: Set[str]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The best-fitting kind of each mention, some kinds excluded, and its fit (log odds)."""
    kind = np.zeros(len(table), dtype=np.intp)
    fit = np.zeros(len(table), dtype=np.float32)
    odd = [number for number, name in enumerate(kinds.names) if name in excluded]
    for start in range(0, len(table), _BLOCK):
        some = slice(start, start + _BLOCK)
        fits = kinds.fit_to_name(table.vectors[some])
        fits[:, odd] = -np.inf
        kind[some] = best = fits.argmax(axis=1)
        fit[some] = fits[np.arange(len(fits)), best]
    return kind, fit


def _merged(mentions: Mapping[int, list[int]], kinds: Kinds) -> dict[int, list[int]]:
    """The mentions of each kind, including those of its rarer synonyms."""
    merged: dict[int, list[int]] = {}
    for kind in sorted(mentions, key=lambda kind: (-len(mentions[kind]), kind)):
        if kinds.is_synonym(kind, list(merged)):
            merged[kinds.nearest(kind, list(merged))[0]] += mentions[kind]
        else:
            merged[kind] = list(mentions[kind])
    return merged


def _names(table: MentionTable, mentions: Iterable[int]) -> Iterator[str]:
    """The distinct names of mentions, in order, ignoring case."""
    seen = set()
    for mention in mentions:
        name = table.text(mention)
        if name.casefold() not in seen:
            seen.add(name.casefold())
            yield name
