"""Which type names are broader than others, and which must not be negatives of each other."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.phrases import TypePhrase

_LEVELS = 3
_CLASSES = {"species", "genus", "kind", "type", "form", "variety", "breed", "family", "group"}


def broader_terms(
    definitions: Mapping[str, Sequence[TypePhrase]], known: Iterable[str]
) -> dict[str, list[str]]:
    """Broader types of every known type name that has its own definition.

    "A band is a musical group" gives ``{"band": ["musical group", "group"]}``, followed upward.

    Args:
        definitions: Maps a lower-cased article title to the types in its first sentence.
        known: Type names in use, lower-cased.
    """
    direct = {
        name: [g.lower() for g in definitions[name][0].grains() if head_noun(g) != head_noun(name)]
        for name in known
        if definitions.get(name)
    }
    broader: dict[str, list[str]] = {}
    for name in direct:
        reached: list[str] = []
        front = [name]
        for _ in range(_LEVELS):
            front = [
                up
                for term in front
                for up in direct.get(term, ())
                if up not in reached and up != name
            ]
            reached += dict.fromkeys(front)
        if reached:
            broader[name] = reached
    return broader


def kindred_heads(
    entities: Iterable[Sequence[str]], *, share: float = 0.1, least: int = 3
) -> dict[str, set[str]]:
    """Head nouns that often describe the same entity, so that neither is a negative of the other.

    Args:
        entities: For each entity, the head nouns of all its type phrases.
        share: Minimum share of the rarer noun's entities that the other one describes too.
        least: Minimum number of shared entities.
    """
    alone: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for heads in entities:
        unique = sorted(set(heads))
        alone.update(unique)
        together.update((a, b) for i, a in enumerate(unique) for b in unique[i + 1 :])
    kindred: defaultdict[str, set[str]] = defaultdict(set)
    for (a, b), n in together.items():
        if n >= least and n >= share * min(alone[a], alone[b]):
            kindred[a].add(b)
            kindred[b].add(a)
    return dict(kindred)


class Hierarchy:
    """Broader types, and head nouns that must not be negatives of each other."""

    def __init__(self, broader: dict[str, list[str]], kindred: dict[str, list[str]]) -> None:
        """Store the results of :func:`broader_terms` and :func:`kindred_heads`."""
        self.broader = broader
        self.kindred = {head: set(others) for head, others in kindred.items()}

    @classmethod
    def load(cls, folder: str | Path) -> Hierarchy:
        """Read ``hierarchy.json`` from a mined folder."""
        return cls(**json.loads((Path(folder) / "hierarchy.json").read_text(encoding="utf-8")))

    def above(self, phrase: str) -> list[str]:
        """Types broader than a phrase: those of its longest known suffix.

        For "capital of a region" this is a suffix of "capital", but for "species of beetle" one of
        "beetle".
        """
        front, of, back = phrase.lower().partition(" of ")
        words = (back if of and front.split()[-1] in _CLASSES else front).split()
        for i in range(len(words)):
            if up := self.broader.get(" ".join(words[i:])):
                return up
        return []

    @property
    def broader_heads(self) -> set[str]:
        """The head nouns of all broader types."""
        return {head_noun(up) for ups in self.broader.values() for up in ups}

    def add_kindred(self, heads: Sequence[str], vectors: NDArray[np.float32], least: float) -> None:
        """Add near-synonymous head nouns ("film", "movie") as kindred.

        Args:
            heads: Head nouns.
            vectors: ``(len(heads), n)``, L2-normalized text vectors of the nouns.
            least: Minimum cosine of two kindred nouns.
        """
        for i, j in np.argwhere(vectors @ vectors.T >= least):
            if i != j:
                self.kindred.setdefault(heads[i], set()).add(heads[j])

    def add_broader(self, broader: Mapping[str, Sequence[str]]) -> None:
        """Add broader types of names, placed before those already known."""
        for name, ups in broader.items():
            self.broader[name] = list(dict.fromkeys([*ups, *self.broader.get(name, ())]))

    @lru_cache(maxsize=200_000)  # noqa: B019 - the hierarchy lives as long as the training run
    def heads_above(self, phrase: str) -> frozenset[str]:
        """The head nouns of a phrase and of all broader types."""
        return frozenset({head_noun(phrase)} | {head_noun(up) for up in self.above(phrase)})

    def not_negative(self, entity: MinedEntity) -> set[str]:
        """Head nouns that must not serve as negatives for an entity."""
        close = set().union(*(self.heads_above(t) for t in entity.types))
        return close.union(*(self.kindred.get(h, ()) for h in entity.heads))
