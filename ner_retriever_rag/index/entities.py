"""The distinct entities of a type: mentions of one name put together.

A name's mentions are several looks at one thing, none of them independent of the others: the same
words, often the same sentence pattern. So their evidence is averaged, not multiplied: an entity's
log-odds are the mean of its mentions', and they grow in size with the number of mentions n by the
factor ``n ** GROWTH``: a name that is a river thrice is likelier one than a name that is it once,
and one that is none thrice is less likely one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.names import name_key
from ner_retriever_rag.queries.query import Query

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.index.mention_scores import MentionScores
    from ner_retriever_rag.index.search import Search
    from ner_retriever_rag.queries.bounds import Bounds

GROWTH = 0.25
_LOOK = 20  # mentions looked at for each entity wanted, best first
_SURE = 1e-6  # probabilities are kept this far from 0 and 1


@dataclass(frozen=True, slots=True)
class Entity:
    """A distinct entity of the type asked for.

    Attributes:
        name: How it is written most often.
        names: All ways it is written, the most frequent first.
        score: Probability in [0, 1] that the name is of the type.
        mentions: How many mentions it has, whatever their scores; of those that overlap ("the Nile"
            and "Nile"), one.
        documents: Ids of the documents that mention it, sorted.
    """

    name: str
    names: list[str]
    score: float
    mentions: int
    documents: list[str]


def group_entities(search: Search, query: Query, bounds: Bounds, about: str | None) -> list[Entity]:
    """The entities of a type; ``EntityIndex.entities`` explains.

    Args:
        search: Searches the index.
        query: What is looked for.
        bounds: How far.
        about: What their documents are about, or None.
    """
    found_mentions = search.mention_scores(query, bounds, about)
    table = found_mentions.table
    while True:
        entities = _grouped(found_mentions, bounds)
        named = table.documents({doc_id for each in entities for doc_id in each.documents})
        changed = search.changed(table, named.tolist())
        if not changed:
            return entities
        found_mentions.allowed &= ~np.isin(table.owner, list(changed))


def _grouped(found_mentions: MentionScores, bounds: Bounds) -> list[Entity]:
    table, scores = found_mentions.table, found_mentions.scores
    places = np.flatnonzero(found_mentions.allowed)
    most = None if bounds.last is None else _LOOK * bounds.last
    ordered = found_mentions.best_first(0.0, most)[:most]
    keys = _promising(table, scores, ordered, bounds)
    members: dict[str, list[int]] = {key: [] for key in keys}
    hashes = {table.last_words[n] for group in keys.values() for n in group}
    for n in places[np.isin(table.last_words[places], np.fromiter(hashes, np.uint32))].tolist():
        if (key := name_key(table.text(n))) in members:
            members[key].append(n)
    found = [_entity(table, scores, group) for group in members.values()]
    found = [each for each in found if each.score >= bounds.floor]
    found.sort(key=lambda each: (-each.score, -each.mentions, each.name))
    return found[bounds.offset : bounds.last]


def _promising(
    table: MentionTable, scores: NDArray[np.float32], ordered: NDArray[np.intp], bounds: Bounds
) -> dict[str, list[int]]:
    """Names with a good mention, more than are wanted; keys to those mentions."""
    keys: dict[str, list[int]] = {}
    if bounds.last is None:
        ordered = ordered[scores[ordered] >= min(bounds.floor, 0.5)]
    for n in table.non_overlapping(ordered.tolist()):
        keys.setdefault(name_key(table.text(n)), []).append(n)
    return keys


def _entity(table: MentionTable, scores: NDArray[np.float32], group: list[int]) -> Entity:
    group = list(table.non_overlapping(sorted(group, key=lambda n: (-scores[n], n))))
    spelled = Counter(table.text(n) for n in group)
    names = sorted(spelled, key=lambda name: (-spelled[name], name))
    documents = sorted({table.doc_ids[table.owner[n]] for n in group})
    return Entity(names[0], names, joint(scores[group]), len(group), documents)


def joint(scores: NDArray[np.float32]) -> float:
    """The score of an entity from its mentions', by the rule of this module."""
    sure = np.clip(scores.astype(np.float64), _SURE, 1 - _SURE)
    logits = np.log(sure / (1 - sure))
    return float(1 / (1 + np.exp(-logits.mean() * len(scores) ** GROWTH)))
