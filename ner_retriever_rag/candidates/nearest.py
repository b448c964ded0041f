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

NEAREST = 16_000  # candidates, more than are smoothed
A_RESULT = 20  # more candidates for each result
_SHARE, _TIMES = 5, 4  # one mention in so many gets a coarse look, and so many times what is wanted
_LITTLE = 4  # where a filter keeps less than so many times what is wanted, it is all looked at
_SAMPLED = 16  # one value in so many tells how great the greatest are


def nearest(
    table: MentionTable, query: ScoredQuery, allowed: NDArray[np.bool_], bounds: Bounds
) -> NDArray[np.integer] | None:
    """The numbers of the candidates in a large index, rising.

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
    wanted = NEAREST + A_RESULT * bounds.last
    return rows_near(table, query.vectors[0], wanted, allowed)


def rows_near(
    table: MentionTable,
    vector: NDArray[np.float32],
    n: int,
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.integer]:
    """The numbers, rising, of about n mentions nearest to a vector, or of more.

    Args:
        table: All mentions.
        vector: float32 ``(dim,)``.
        n: How many, if there are so many.
        allowed: bool ``(documents,)``, which may be found; about half as many of theirs as well.
    """
    look = _look(table, vector, max(_TIMES * n, len(table) // _SHARE))
    near = look.mentions[look.values >= _nth_largest(look.values, n)]
    if allowed is None or allowed.all():
        return np.sort(near)
    may = np.repeat(allowed, np.diff(table.first))
    if np.count_nonzero(may) <= _LITTLE * n:
        return np.union1d(near, np.flatnonzero(may))
    if np.count_nonzero(may[look.mentions]) < n:
        look = _look(table, vector, len(table))
    its, values = look.mentions[may[look.mentions]], look.values[may[look.mentions]]
    return np.union1d(near, its[values >= _nth_largest(values, n // 2)])


def _look(table: MentionTable, vector: NDArray[np.float32], least: int) -> Look:
    """A look at ``least`` mentions or more, near ones: a coarse one where there are cells."""
    if table.cells is not None:
        return table.cells.look(vector, least)
    return Look(np.arange(len(table)), table.vectors @ vector)


def _nth_largest(values: NDArray[np.float32], n: int) -> np.float32:
    """About the n-th largest of some values, told from a sample of them."""
    sample = values[::_SAMPLED]
    if not len(sample):
        return np.float32(0)
    place = min(max(0, len(sample) - n // _SAMPLED), len(sample) - 1)
    largest: np.float32 = np.partition(sample, place)[place]
    return largest
