"""Which entities to draw: frequent types less often than they are."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.training.mined import MinedEntity


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
        * (1.0 if e.elsewhere else 0.25)
        for e in entities
    ]


def weighted_sample(
    entities: Sequence[MinedEntity], weights: Sequence[float], count: int, rng: random.Random
) -> list[MinedEntity]:
    """``count`` different entities, the likelier the heavier (Efraimidis and Spirakis, 2006)."""
    keys = [math.log(1.0 - rng.random()) / weight for weight in weights]
    best = sorted(range(len(entities)), key=keys.__getitem__, reverse=True)[:count]
    rng.shuffle(best)
    return [entities[i] for i in best]
