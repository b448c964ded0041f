"""Training pairs out of mined entities: which context, which grain of a type."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ner_retriever_rag.queries.english import plural
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MentionContext, MinedEntity

_NEARER = 0.8  # how often a broader type is taken in relation to the one before it
_KIND_WEIGHT = {"other": 1.0, "own": 0.7, "definition": 0.25}


@dataclass(frozen=True, slots=True)
class TypeQuery:
    """A type description to train on and the phrases (one, or two alternatives) behind it."""

    text: str
    phrases: tuple[str, ...]


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

    def query(self, entity: MinedEntity) -> TypeQuery:
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
            return TypeQuery(" or ".join(pair), (phrase, other))
        return TypeQuery(text, (phrase,))
