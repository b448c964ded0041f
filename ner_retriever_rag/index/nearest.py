"""Which mentions a search for a few results looks at in a large index: those nearest to the query.

Sharpening, votes and scores take several passes over what they are given; over a million mentions
that is most of a search. Results are among the nearest, which a rough look
(:mod:`~ner_retriever_rag.index.cells`) finds; of those further away a few vote
(:mod:`~ner_retriever_rag.index.votes`), and only these are looked at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.bounds import Bounds
from ner_retriever_rag.index.cells import LARGE, Look
from ner_retriever_rag.index.mention_table import MentionTable
from ner_retriever_rag.index.votes import Part, lots
from ner_retriever_rag.queries.scoring import ScoredQuery

NEAREST, A_RESULT = 7_000, 100  # mentions that may be results, and so many more for each result
VOTED_ON, VOTED_ON_A_RESULT = 500, 20  # of them, and so many more
FAR = 40_000  # rank to which there may be voters
_LOW = 1_024  # lots are low enough to vote up to this by rank, ten times what it takes
_LITTLE = 4  # where a filter keeps less than so many times what is wanted, it is all looked at
_SHARE = 4  # of all mentions get a rough look, one in so many at least
_SAMPLED = 16  # one value in so many tells ranks


def nearest(
    table: MentionTable, query: ScoredQuery, allowed: NDArray[np.bool_], bounds: Bounds
) -> tuple[NDArray[np.integer], Part] | None:
    """The numbers of the mentions to look at, rising, and what part of all they are.

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
    look = _look(table, vector, max(2 * FAR, 30 * wanted, len(table) // _SHARE))
    also = np.zeros(0, dtype=np.intp)
    if not allowed.all():
        wanted //= 2  # of those that may be found; as many of all are enough to vote
        may = np.repeat(allowed, np.diff(table.first))
        if np.count_nonzero(may) <= _LITTLE * wanted:
            also = np.flatnonzero(may)
        else:
            its = may[look.mentions]
            if np.count_nonzero(its) < wanted:
                look = _look(table, vector, len(table))
                its = may[look.mentions]
            reached = _reached(look.values[its], wanted)
            also = look.mentions[its & (look.values >= reached)]
    near = look.values >= _reached(look.values, wanted)
    voters, stand_for = _voters(look, near)
    ones = np.ones(np.count_nonzero(near), dtype=np.float32)
    zeros = np.zeros(len(also), dtype=np.float32)
    rows, places = np.unique(np.concatenate([look.mentions[near], voters, also]), return_index=True)
    stands_for = np.concatenate([ones, stand_for, zeros])[places]
    most = VOTED_ON + VOTED_ON_A_RESULT * bounds.last
    return rows, Part(stands_for, allowed[table.owner[rows]], most)


def _look(table: MentionTable, vector: NDArray[np.float32], least: int) -> Look:
    """A look at ``least`` mentions or more, near ones: rough where there are cells."""
    if table.cells is not None:
        return table.cells.look(vector, least)
    return Look(np.arange(len(table)), table.vectors @ vector, lots(table.vectors))


def _reached(values: NDArray[np.float32], n: int) -> np.float32:
    """The value that about n of some reach."""
    sample = values[::_SAMPLED]
    place = max(0, len(sample) - n // _SAMPLED)
    reached: np.float32 = np.partition(sample, place)[place]
    return reached


def _voters(look: Look, near: NDArray[np.bool_]) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
    """Those that may vote though they are not near, and how many each stands for."""
    values = -look.values
    sample = np.sort(values[::_SAMPLED])
    last = sample[min(FAR // _SAMPLED, len(sample) - 1)]
    few = (look.lots < _LOW / np.count_nonzero(near)) & (values <= last) & ~near
    places = np.flatnonzero(few)
    ranks = _SAMPLED * np.searchsorted(sample, values[places]).astype(np.float32)
    low = look.lots[places] * ranks < _LOW
    return look.mentions[places[low]], np.maximum(1, ranks[low] / _LOW)
