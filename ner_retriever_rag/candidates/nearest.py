"""Which mentions a search for a few results looks at in a large index: those nearest to the query.

The stages of ranking take several passes over what they are given; over a million mentions that is
most of a search. Results, and the neighbours that count for them, are among the nearest, which an
inverted file (:mod:`~ner_retriever_rag.candidates.cells`) finds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import LARGE, Look
from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.queries.scoring import ScoredQuery

NEAREST, A_RESULT = (
    16_000,
    20,
)  # mentions, somewhat more than are smoothed, and so many more a result
_SHARE, _TIMES = 5, 4  # one mention in so many gets a coarse look, and so many times what is wanted
_LITTLE = 4  # where a filter keeps less than so many times what is wanted, it is all looked at
_SAMPLED = 16  # one value in so many tells how great the greatest are


def nearest(
    table: MentionTable, query: ScoredQuery, allowed: NDArray[np.bool_], bounds: Bounds
) -> NDArray[np.integer] | None:
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
    look = _look(table, vector, max(_TIMES * wanted, len(table) // _SHARE))
    near = look.mentions[look.values >= _reached(look.values, wanted)]
    if allowed.all():
        return np.sort(near)
    may = np.repeat(allowed, np.diff(table.first))
    if np.count_nonzero(may) <= _LITTLE * wanted:
        return np.union1d(near, np.flatnonzero(may))
    if np.count_nonzero(may[look.mentions]) < wanted:
        look = _look(table, vector, len(table))
    its, values = look.mentions[may[look.mentions]], look.values[may[look.mentions]]
    return np.union1d(near, its[values >= _reached(values, wanted // 2)])


def _look(table: MentionTable, vector: NDArray[np.float32], least: int) -> Look:
    """A look at ``least`` mentions or more, near ones: rough where there are cells."""
    if table.cells is not None:
        return table.cells.look(vector, least)
    return Look(np.arange(len(table)), table.vectors @ vector)


def _reached(values: NDArray[np.float32], n: int) -> np.float32:
    """The value that about n of some reach."""
    sample = values[::_SAMPLED]
    place = max(0, len(sample) - n // _SAMPLED)
    reached: np.float32 = np.partition(sample, place)[place]
    return reached
