"""A query made sharper by what the index holds: pseudo-relevance feedback.

The mentions nearest to a description say more of what is meant than its few words. So there are two
rounds: the best mentions of the first, each weighted by its probability, make a mean, and the query
moves towards it (Rocchio 1971) the further the surer they are. Where a corpus has few mentions of a
type the mean drifts off to its neighbours; hence a mention has the mean of its two similarities,
the second round's shifted to the level of the first (chosen on fewnerd-dev and by
benchmarks/top_answers.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.ordering import largest

BEST = 50  # mentions that make the mean
DOUBT = 3.0  # with so many sure mentions the mean has half its weight
LEVEL = 10  # mentions by which the two rounds are brought to one level


def sharper(
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    first: NDArray[np.float32],
    probability: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """The query moved towards the mentions it finds.

    Args:
        query: float32 ``(dim,)``, L2-normalised.
        vectors: float32 ``(n, dim)``, all mentions.
        first: float32 ``(n,)``, their similarities to the query.
        probability: Makes probabilities of similarities.

    Returns:
        float32 ``(dim,)``, L2-normalised; the query itself where there is no mention.
    """
    best = largest(first, BEST)
    weights = probability(first[best])
    total = float(weights.sum())
    mean = weights @ vectors[best]
    length = float(np.linalg.norm(mean))
    if not length:
        return query
    moved = query + total / (total + DOUBT) / length * mean
    unit: NDArray[np.float32] = (moved / np.linalg.norm(moved)).astype(np.float32)
    return unit


def both_rounds(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of both rounds' similarities, the second's at the first's level; ``(n,)``."""
    level = first[largest(first, LEVEL)].mean() - second[largest(second, LEVEL)].mean()
    mean: NDArray[np.float32] = (first + second + level) / 2
    return mean
