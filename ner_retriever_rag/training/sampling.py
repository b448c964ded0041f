"""Sample entities so that frequent types are underrepresented."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.training.mined import MinedEntity


def sampling_weights(entities: Sequence[MinedEntity], power: float = 0.25) -> list[float]:
    """Sampling weights that draw frequent types less often than they occur.

    Args:
        entities: Entities to sample from.
        power: 0 samples uniformly; 0.5 samples all head nouns about equally often.

    Returns:
        One weight per entity: ``(entities of its head noun * of its phrase) ** -power``, a quarter
        of that if its definition is its only context.
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
    """Weighted sample of ``count`` entities without replacement (Efraimidis and Spirakis, 2006)."""
    keys = [math.log(1.0 - rng.random()) / weight for weight in weights]
    best = sorted(range(len(entities)), key=keys.__getitem__, reverse=True)[:count]
    rng.shuffle(best)
    return [entities[i] for i in best]
