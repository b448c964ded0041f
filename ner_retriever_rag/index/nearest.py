"""Which mentions a search for a few results looks at in a large index: those nearest to the query.

Sharpening, votes and scores take several passes over what they are given; over a million mentions
that is most of a search. The nearest by plain cosine hold all that a few results are made of, and a
rough look (:mod:`~ner_retriever_rag.index.cells`) finds them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.bounds import Bounds
from ner_retriever_rag.index.mention_table import MentionTable
from ner_retriever_rag.queries.scoring import ScoredQuery

LARGE = 50_000  # mentions; in a smaller index all are looked at
NEAREST, A_RESULT = 10_000, 20  # mentions looked at, and so many more for each result
_ROUGHLY = 8  # times as many get a rough look, at least
_SHARE = 4  # of all mentions get one, one in so many at least
_SAMPLED = 16  # one value in so many says where the greatest begin


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
    wanted, vector = NEAREST + A_RESULT * bounds.last, query.vectors[0]
    mentions, values = _look(table, vector, max(_ROUGHLY * wanted, len(table) // _SHARE))
    chosen = np.zeros(len(table), dtype=np.bool_)
    chosen[_greatest(mentions, values, wanted)] = True
    if not allowed.all():
        may = np.repeat(allowed, np.diff(table.first))
        if (there := np.count_nonzero(may)) > 2 * wanted:
            if np.count_nonzero(may[mentions]) < wanted:
                mentions, values = _look(table, vector, len(table))
            its = may[mentions]
            chosen[_greatest(mentions[its], values[its], wanted)] = True
        elif there:
            chosen |= may
    return np.flatnonzero(chosen)


def _look(
    table: MentionTable, vector: NDArray[np.float32], least: int
) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
    """The numbers of ``least`` mentions or more, near ones, and their nearness."""
    if table.cells is None:
        return np.arange(len(table)), table.vectors @ vector
    return table.cells.look(vector, least)


def _greatest(
    mentions: NDArray[np.integer], values: NDArray[np.float32], n: int
) -> NDArray[np.integer]:
    """The mentions with about the n greatest values, going by a sample of these."""
    sample = values[::_SAMPLED]
    place = len(sample) - n // _SAMPLED
    if place <= 0:
        return mentions
    return mentions[values >= np.partition(sample, place)[place]]
