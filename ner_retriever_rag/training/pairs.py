"""Training pairs out of mined entities: which context, which grain of a type, which negatives."""

from __future__ import annotations

import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ner_retriever_rag.detection.text_files import open_text
from ner_retriever_rag.encoder.span_head import WORD
from ner_retriever_rag.queries.english import head_noun, plural

_CLASSES = {"species", "genus", "kind", "type", "form", "variety", "breed", "family", "group"}
_NEARER = 0.8  # how often a broader type is taken in relation to the one before it
_KIND_WEIGHT = {"other": 1.0, "own": 0.7, "definition": 0.25}


@dataclass(frozen=True, slots=True)
class MentionContext:
    """A mention in its sentence, ``text[start:end]``."""

    text: str
    start: int
    end: int
    kind: str = "other"

    def cropped(self, width: int) -> MentionContext:
        """The same mention in at most about ``width`` characters, cut between words."""
        if len(self.text) <= width:
            return self
        margin = max(0, width - (self.end - self.start)) // 2
        left = max(0, min(self.start - margin, len(self.text) - width))
        if left:
            left = self.text.find(" ", left, self.start) + 1 or self.start
        right = min(len(self.text), left + max(width, self.end - left))
        if right < len(self.text):
            space = self.text.rfind(" ", self.end, right)
            right = space if space > 0 else max(right, self.end)
        return MentionContext(self.text[left:right], self.start - left, self.end - left, self.kind)

    def loosened(self, rng: random.Random) -> MentionContext:
        """The same mention a word too wide or too narrow, as a detector may find it."""
        words = [(word.start(), word.end()) for word in WORD.finditer(self.text)]
        inside = [span for span in words if self.start < span[1] and span[0] < self.end]
        before = [start for start, end in words if end <= self.start][-1:]
        after = [end for start, end in words if start >= self.end][:1]
        spans = [(start, self.end) for start in before] + [(self.start, end) for end in after]
        if len(inside) > 1:
            spans += [(inside[1][0], self.end), (self.start, inside[-2][1])]
        if not spans:
            return self
        start, end = rng.choice(spans)
        return replace(self, start=start, end=end)


@dataclass(frozen=True, slots=True)
class MinedEntity:
    """An entity with its types (finest grain, best first) and contexts."""

    title: str
    types: tuple[str, ...]
    contexts: tuple[MentionContext, ...]

    @property
    def heads(self) -> set[str]:
        """The head nouns of all its types."""
        return {head_noun(t) for t in self.types}


class Hierarchy:
    """What is broader than what, and what is no negative of what."""

    def __init__(self, broader: dict[str, list[str]], kindred: dict[str, list[str]]) -> None:
        """Keep both maps; see :mod:`~ner_retriever_rag.training.hierarchy`."""
        self.broader = broader
        self.kindred = {head: set(others) for head, others in kindred.items()}

    @classmethod
    def load(cls, folder: str | Path) -> Hierarchy:
        """Read ``hierarchy.json`` of a mined folder."""
        return cls(**json.loads((Path(folder) / "hierarchy.json").read_text(encoding="utf-8")))

    def above(self, phrase: str) -> list[str]:
        """Types broader than a phrase, those of its longest known suffix.

        Of "capital of a region" that is a suffix of "capital", but of "species of beetle" one of
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
        """Also hold head nouns for kindred whose names mean nearly the same ("film", "movie").

        Args:
            heads: Head nouns.
            vectors: ``(len(heads), n)``, L2-normalised text vectors of the nouns.
            least: Cosine from which two are kindred.
        """
        for i, j in np.argwhere(vectors @ vectors.T >= least):
            if i != j:
                self.kindred.setdefault(heads[i], set()).add(heads[j])

    def add_broader(self, broader: Mapping[str, Sequence[str]]) -> None:
        """Also know these broader types of names, before those already known."""
        for name, ups in broader.items():
            self.broader[name] = list(dict.fromkeys([*ups, *self.broader.get(name, ())]))

    @lru_cache(maxsize=200_000)  # noqa: B019 - one hierarchy lives as long as the training
    def heads_above(self, phrase: str) -> frozenset[str]:
        """The head nouns of a phrase and of everything broader."""
        return frozenset({head_noun(phrase)} | {head_noun(up) for up in self.above(phrase)})

    def not_negative(self, entity: MinedEntity) -> set[str]:
        """Head nouns that must not be taken for wrong types of an entity."""
        close = set().union(*(self.heads_above(t) for t in entity.types))
        return close.union(*(self.kindred.get(h, ()) for h in entity.heads))


@dataclass(frozen=True, slots=True)
class Query:
    """A type description to train on and the phrases (one, or two alternatives) behind it."""

    text: str
    phrases: tuple[str, ...]


def load_entities(folder: str | Path) -> list[MinedEntity]:
    """Read ``entities.jsonl.xz`` of a mined folder.

    Raises:
        FileNotFoundError: If the folder was not mined into.
    """
    with open_text(Path(folder) / "entities.jsonl.xz") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        MinedEntity(r["title"], tuple(r["types"]), tuple(MentionContext(*c) for c in r["contexts"]))
        for r in rows
    ]


def held_out_heads(
    entities: Sequence[MinedEntity], *, one_in: int = 20, least: int = 5, most: int = 400
) -> set[str]:
    """Head nouns kept for calibration, always the same share of them.

    Args:
        entities: All that was mined.
        one_in: Every how manieth head noun.
        least: Rarer ones are left to training.
        most: So are more frequent ones; an encoder that never saw "city" would serve nobody.
    """
    count = Counter(head for entity in entities for head in entity.heads)
    return {
        head
        for head, n in count.items()
        if least <= n <= most and zlib.crc32(head.encode()) % one_in == 0
    }


def split_held_out(entities: Sequence[MinedEntity]) -> tuple[list[MinedEntity], set[str]]:
    """Entities to train on, and the head nouns of the types that training never sees."""
    held = held_out_heads(entities)
    return [e for e in entities if not e.heads & held], held


def flattened(entities: Sequence[MinedEntity], power: float = 0.25) -> list[float]:
    """Weights for drawing entities so that frequent types come less often than they are.

    Args:
        entities: To be drawn from.
        power: 0 draws all alike; 0.5 draws every head noun about as often as every other.

    Returns:
        A weight for each: ``(entities of its head noun * of its phrase) ** -power``, a quarter of
        that where nothing but its definition is known.
    """
    phrases = Counter(e.types[0].lower() for e in entities)
    heads = Counter(head_noun(e.types[0]) for e in entities)
    return [
        (heads[head_noun(e.types[0])] * phrases[e.types[0].lower()]) ** -power
        * (1.0 if any(c.kind != "definition" for c in e.contexts) else 0.25)
        for e in entities
    ]


class PairSampler:
    """Draws a context and a type description for an entity."""

    def __init__(
        self,
        hierarchy: Hierarchy,
        rng: random.Random,
        *,
        shorter: float = 0.4,
        broader: float = 0.2,
        plurals: float = 0.1,
        alternatives: float = 0.0,
        other_phrases: Sequence[str] = (),
        loose: float = 0.0,
    ) -> None:
        """Set how often a description is made in each way.

        Args:
            hierarchy: Knows the broader types.
            rng: Source of randomness.
            shorter: How often a phrase is cut to a suffix ("metal band").
            broader: How often it is replaced by a broader one ("group") or another name of it.
            plurals: How often it is made plural.
            alternatives: How often another phrase is offered beside it ("metal band or river").
            other_phrases: Where these come from.
            loose: How often the mention is taken a word too wide or too narrow.
        """
        self.hierarchy, self.rng = hierarchy, rng
        self.shorter, self.broader, self.plurals = shorter, broader, plurals
        self.alternatives = alternatives if other_phrases else 0.0
        self.other_phrases = other_phrases
        self.loose = loose

    def context(self, entity: MinedEntity) -> MentionContext:
        """A context; other articles' sentences are preferred, definitions are the last resort."""
        weights = [_KIND_WEIGHT[c.kind] for c in entity.contexts]
        context = self.rng.choices(entity.contexts, weights)[0]
        return context.loosened(self.rng) if self.rng.random() < self.loose else context

    def query(self, entity: MinedEntity) -> Query:
        """A description of one of its types, at some grain."""
        phrase = self.rng.choice(entity.types)
        draw = self.rng.random()
        if draw < self.broader and (up := self.hierarchy.above(phrase)):
            nearer = [_NEARER**level for level in range(len(up))]
            phrase = self.rng.choices(up, nearer)[0]
        elif draw < self.broader + self.shorter:
            words = phrase.split()
            phrase = " ".join(words[self.rng.randrange(len(words)) :])
        text = phrase
        if self.rng.random() < self.plurals and " of " not in phrase:
            text = " ".join([*phrase.split()[:-1], plural(phrase.split()[-1])])
        if self.rng.random() < self.alternatives:
            other = self.rng.choice(self.other_phrases)
            pair = [text, other]
            self.rng.shuffle(pair)
            return Query(" or ".join(pair), (phrase, other))
        return Query(text, (phrase,))


class NegativeMask:
    """Says which in-batch pairs are no negatives: same type, a sub- or super-type, kindred."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        """Use what ``hierarchy`` knows."""
        self.hierarchy = hierarchy

    def __call__(self, entities: Sequence[MinedEntity], queries: Sequence[Query]) -> Tensor:
        """Bool ``(len(entities), len(queries))``, True where the query may well fit the entity."""
        close = [self.hierarchy.not_negative(e) for e in entities]
        own = [e.heads for e in entities]
        columns: dict[str, list[int]] = {}
        above: dict[str, list[int]] = {}
        for j, query in enumerate(queries):
            for phrase in query.phrases:
                columns.setdefault(head_noun(phrase), []).append(j)
                # An entity called no more than "group" may be the "band" that is asked for.
                for up in self.hierarchy.heads_above(phrase):
                    above.setdefault(up, []).append(j)
        mask = torch.zeros(len(entities), len(queries), dtype=torch.bool)
        for i in range(len(entities)):
            hits = [j for head in close[i] for j in columns.get(head, ())]
            hits += [j for head in own[i] for j in above.get(head, ())]
            mask[i, hits] = True
        return mask


def batches(items: Sequence[int], size: int, rng: random.Random) -> Iterator[list[int]]:
    """Shuffle and cut into batches of exactly ``size``; the rest is left for another epoch."""
    order = list(items)
    rng.shuffle(order)
    for start in range(0, len(order) - size + 1, size):
        yield order[start : start + size]
