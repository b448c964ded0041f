"""The distinct entities of a type: mentions grouped by entity.

:mod:`~ner_retriever_rag.index.joining` decides which mentions are of one entity. Those mentions are
repeated observations of one thing and not independent: the same words, often the same sentence
pattern. So their evidence is averaged, not multiplied: an entity's log odds are the mean of its
mentions' log odds, scaled by ``n ** COUNT_EXPONENT`` for n mentions. A name that looks like a river
in three mentions is more likely to be one than a name that does in a single mention; one that does
not in three mentions is less likely than one that does not in a single mention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.names import name_hashes, name_key
from ner_retriever_rag.index.decisions import Decisions
from ner_retriever_rag.index.joining import join
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.queries.name_matching import (
    is_short_form,
    legal_words,
    match_reason,
    spelling,
    without_legal_form,
)
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.queries.repetition import last_word

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.queries.bounds import Bounds
    from ner_retriever_rag.search.mention_scores import MentionScores
    from ner_retriever_rag.search.search import Search

COUNT_EXPONENT = 0.25
_MENTIONS_PER_ENTITY = 20  # mentions examined for each entity wanted, best first
_ROUNDS = 2  # "Doe" leads to the "John T. Doe" of its document, and that to his other documents
_EPSILON = 1e-6  # probabilities are clipped this far from 0 and 1


@dataclass(frozen=True, slots=True)
class Entity:
    """A distinct entity of the queried type.

    Attributes:
        name: Its most frequent spelling, not counting short forms of fuller names.
        names: All its spellings: ``name``, then the most frequent first.
        score: Probability in [0, 1] that it is of the type.
        mentions: Number of its mentions, whatever their scores; overlapping ones ("the Nile" and
            "Nile") count once.
        documents: Ids of the documents that mention it, sorted.
        joined: Why names that differ by more than case, accents and punctuation were joined:
            "legal form", "short form", "word for its kind", or "merged" if ``index.merge`` joined
            them. ``index.split(name, other)`` undoes it.
    """

    name: str
    names: list[str]
    score: float
    mentions: int
    documents: list[str]
    joined: dict[str, str] = field(default_factory=dict)


def group_entities(
    search: Search,
    query: Query,
    bounds: Bounds,
    about: str | None,
    decisions: Decisions | None = None,
) -> list[Entity]:
    """List the entities of a type; see ``EntityIndex.entities``.

    Args:
        search: Searches the index.
        query: The type, or a combination of types.
        bounds: Limits and options of the search.
        about: Topic of their documents, or None.
        decisions: The user's decisions about names; None joins only spellings of one name.
    """
    found_mentions = search.mention_scores(query, bounds, about)
    table = found_mentions.table
    while True:
        clusters = _clusters(search, found_mentions, bounds, decisions)
        entities = _ranked(found_mentions, clusters, bounds)
        named = table.documents({doc_id for each in entities for doc_id in each.documents})
        changed = search.changed(table, named.tolist())
        if not changed:
            return entities
        found_mentions.allowed &= ~np.isin(table.owner, list(changed))


def _clusters(
    search: Search, found: MentionScores, bounds: Bounds, decisions: Decisions | None
) -> list[list[int]]:
    """Group mentions into all entities that have a good mention, more than are wanted."""
    table, scores = found.table, found.scores
    most = None if bounds.stop is None else _MENTIONS_PER_ENTITY * bounds.stop
    ordered = found.best_first(0.0, most)[:most]
    if bounds.stop is None:
        ordered = ordered[scores[ordered] >= min(bounds.floor, DEFAULT_THRESHOLD)]
    good = list(table.non_overlapping(ordered.tolist()))
    if decisions is None:
        return _by_key(table, found.allowed, good)
    members = _candidate_mentions(table, found.allowed, good, decisions)
    clusters = join(
        [table.text(n) for n in members],
        table.owner[members],
        np.asarray(table.vectors)[members],
        search.people(table, members),
        decisions,
    )
    wanted = np.zeros(len(table), dtype=np.bool_)
    wanted[good] = True
    own = [members[cluster].tolist() for cluster in clusters]
    return [each for each in own if wanted[each].any()]


def _by_key(
    table: MentionTable, allowed: NDArray[np.bool_], good: Sequence[int]
) -> list[list[int]]:
    """Group mentions by normalized name, one entity per name."""
    members: dict[str, list[int]] = {name_key(table.text(n)): [] for n in good}
    for n in np.flatnonzero(allowed & np.isin(table.names, table.names[list(good)])).tolist():
        if (key := name_key(table.text(n))) in members:
            members[key].append(n)
    return list(members.values())


def _candidate_mentions(
    table: MentionTable, allowed: NDArray[np.bool_], good: Sequence[int], decisions: Decisions
) -> NDArray[np.intp]:
    """Mentions that may share an entity with a good one, ascending; found by name hashes."""
    places = np.flatnonzero(allowed)
    names = {table.text(n) for n in good}
    seen: set[str] = set()
    taken = np.zeros(len(table), dtype=np.bool_)
    for _ in range(_ROUNDS):
        new = names - seen
        if not new:
            break
        seen |= new
        hashes = name_hashes(_name_variants(new, decisions))
        here = places[np.isin(table.names[places], hashes)]
        with_form = places[np.isin(table.last_words[places], _legal_words())]
        taken[here] = True
        taken[_matching_without_legal_form(table, with_form, set(map(without_legal_form, new)))] = (
            True
        )
        taken[_sharing_words(table, allowed, np.flatnonzero(taken))] = True
        names = {table.text(n) for n in np.flatnonzero(taken).tolist()}
    return np.flatnonzero(taken)


def _name_variants(names: Iterable[str], decisions: Decisions) -> list[str]:
    """Names with their variants: normalized spelling, without a legal form, merged names."""
    found = {form for name in names for form in (name, spelling(name), without_legal_form(name))}
    groups = {decisions.groups[each] for each in found if each in decisions.groups}
    return [*found, *(name for n in groups for name in decisions.merged[n])]


def _matching_without_legal_form(
    table: MentionTable, mentions: NDArray[np.intp], names: set[str]
) -> list[int]:
    """Mentions that match one of the names except for a legal form."""
    first = {name.partition(" ")[0] for name in names}
    texts = ((n, table.text(n)) for n in mentions.tolist())
    return [
        n
        for n, text in texts
        if spelling(text).partition(" ")[0] in first and without_legal_form(text) in names
    ]


def _sharing_words(
    table: MentionTable, allowed: NDArray[np.bool_], members: NDArray[np.intp]
) -> list[int]:
    """Mentions that share a word with one of ``members`` in the same document."""
    words: dict[int, set[str]] = {}
    for n in members.tolist():
        words.setdefault(int(table.owner[n]), set()).update(spelling(table.text(n)).split())
    near = np.flatnonzero(allowed & np.isin(table.owner, list(words)))
    return [
        n
        for n in near.tolist()
        if not words[int(table.owner[n])].isdisjoint(spelling(table.text(n)).split())
    ]


@cache
def _legal_words() -> NDArray[np.uint32]:
    """The ``last_word`` hashes of names that end in a legal form: "Inc.", or the "A" of "S.A."."""
    return np.array(
        sorted({last_word(each) for word in legal_words() for each in (word, word[-1])})
    )


def _ranked(
    found: MentionScores, clusters: Iterable[Sequence[int]], bounds: Bounds
) -> list[Entity]:
    entities = [_entity(found.table, found.scores, cluster) for cluster in clusters]
    entities = [each for each in entities if each.score >= bounds.floor]
    entities.sort(key=lambda each: (-each.score, -each.mentions, each.name, each.documents))
    return entities[bounds.offset : bounds.stop]


def _entity(table: MentionTable, scores: NDArray[np.float32], group: Sequence[int]) -> Entity:
    disjoint = list(table.non_overlapping(sorted(group, key=lambda n: (-scores[n], n))))
    spelled = Counter(table.text(n) for n in disjoint)
    names = sorted(spelled, key=lambda name: (-spelled[name], name))
    fullest = (name for name in names if not any(_shortens(name, other) for other in names))
    head = next(fullest, names[0])
    documents = sorted({table.doc_ids[table.owner[n]] for n in disjoint})
    reasons = {name: match_reason(name, head) or "merged" for name in names}
    return Entity(
        head,
        [head, *(name for name in names if name != head)],
        joint_score(scores[disjoint]),
        len(disjoint),
        documents,
        {name: why for name, why in reasons.items() if why != "spelling"},
    )


def _shortens(name: str, other: str) -> bool:
    """Whether a name is a short form of another that adds more than a legal form."""
    return is_short_form(name, other) and without_legal_form(name) != without_legal_form(other)


def joint_score(scores: NDArray[np.float32]) -> float:
    """Combine the scores of an entity's mentions, by the rule in the module docstring."""
    clipped = np.clip(scores.astype(np.float64), _EPSILON, 1 - _EPSILON)
    logits = np.log(clipped / (1 - clipped))
    return float(1 / (1 + np.exp(-logits.mean() * len(scores) ** COUNT_EXPONENT)))
