"""Sample training pairs from mined entities: a context, and a type at some grain."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ner_retriever_rag.queries.english import plural
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MentionContext, MinedEntity

if TYPE_CHECKING:
    from ner_retriever_rag.training.corpus import Mined

_LEVEL_DECAY = 0.8  # sampling weight of a broader type relative to the one before it
_KIND_WEIGHT = {"other": 1.0, "own": 0.7, "definition": 0.25}


@dataclass(frozen=True, slots=True)
class TypeQuery:
    """A type description to train on, and the phrases (one, or two alternatives) behind it."""

    text: str
    phrases: tuple[str, ...]


def samplers(mined: Mined, span_noise: float) -> Callable[[random.Random], PairSampler]:
    """How pairs are sampled while a backbone is trained: some descriptions offer two types.

    Args:
        mined: The entities, whose types are offered, and their hierarchy.
        span_noise: How often a mention is a word too wide or too narrow.

    Returns:
        A function from a source of randomness to a sampler.
    """
    phrases = sorted({entity.types[0] for entity in mined.train})
    return partial(
        PairSampler,
        mined.hierarchy,
        alternatives=0.05,
        other_phrases=phrases,
        span_noise=span_noise,
    )


class PairSampler:
    """Samples a context and a type description for an entity."""

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
        span_noise: float = 0.0,
    ) -> None:
        """Set the probability of each way of building a description.

        Args:
            hierarchy: Provides the broader types.
            rng: Random generator.
            shorter: Probability that a phrase is cut to a suffix ("metal band").
            broader: Probability that it is replaced by a broader one ("group") or a synonym.
            plurals: Probability that it is made plural.
            alternatives: Probability that another phrase is added to it ("metal band or river").
            other_phrases: Phrases to add.
            span_noise: Probability that the mention is made one word too wide or too narrow.
        """
        self.hierarchy, self.rng = hierarchy, rng
        self.shorter, self.broader, self.plurals = shorter, broader, plurals
        self.alternatives = alternatives if other_phrases else 0.0
        self.other_phrases = other_phrases
        self.span_noise = span_noise

    def context(self, entity: MinedEntity) -> MentionContext:
        """A context; sentences of other articles are preferred, definitions are a last resort."""
        weights = [_KIND_WEIGHT[c.kind] for c in entity.contexts]
        context = self.rng.choices(entity.contexts, weights)[0]
        return context.perturbed(self.rng) if self.rng.random() < self.span_noise else context

    def query(self, entity: MinedEntity) -> TypeQuery:
        """A description of one of the entity's types, at some grain."""
        phrase = self.rng.choice(entity.types)
        draw = self.rng.random()
        if draw < self.broader and (up := self.hierarchy.above(phrase)):
            nearer = [_LEVEL_DECAY**level for level in range(len(up))]
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
