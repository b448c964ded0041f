"""Which mentions a search for a few results looks at in a large index: those nearest to the query.

Sharpening, votes and scores take several passes over what they are given; over a million mentions
that is most of a search. The nearest by plain cosine hold all that a few results are made of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.bounds import Bounds
from ner_retriever_rag.index.mention_table import MentionTable
from ner_retriever_rag.queries.scoring import ScoredQuery

LARGE = 50_000  # mentions; in a smaller index all are looked at
NEAREST = 20_000  # twice as many as vote, for sharpening brings some up


def nearest(
    table: MentionTable, query: ScoredQuery, allowed: NDArray[np.bool_], bounds: Bounds
) -> NDArray[np.intp] | None:
    """The numbers of the mentions to look at, rising.

    Args:
        table: All mentions.
        query: What is looked for.
        allowed: bool ``(documents,)``, which may be found; of their mentions, too, the nearest.
        bounds: How far the search goes.

    Returns:
        None for all: in a small index, for all results or exact ones, and for combined queries,
        since a document that is near in one way may be far in another.
    """
    if len(table) <= LARGE or bounds.last is None or bounds.exact:
        return None
    if len(query.leaves) > 1 or query.without > 0:
        return None
    cosines = table.vectors @ query.vectors[0]
    near = cosines >= _last_of_the_greatest(cosines)
    if not allowed.all():
        may = allowed[table.owner]
        if may.sum() > NEAREST:
            may &= cosines >= _last_of_the_greatest(cosines[may])
        near |= may
    return np.flatnonzero(near)


def _last_of_the_greatest(values: NDArray[np.float32]) -> np.float32:
    """The least of the ``NEAREST`` greatest values."""
    place = len(values) - NEAREST
    least: np.float32 = np.partition(values, place)[place]
    return least
