"""Which mentions a search for a few results looks at in a large index: those nearest to the query.

Sharpening, votes and scores take several passes over what they are given; over a million mentions
that is most of a search. Results are among the nearest, which a rough look
(:mod:`~ner_retriever_rag.index.cells`) finds; of those further away a few vote
(:mod:`~ner_retriever_rag.index.votes`), and only these are looked at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index import votes
from ner_retriever_rag.index.bounds import Bounds
from ner_retriever_rag.index.cells import Look
from ner_retriever_rag.index.mention_table import MentionTable
from ner_retriever_rag.queries.scoring import ScoredQuery

LARGE = 50_000  # mentions; in a smaller index all are looked at
NEAREST, A_RESULT = 4_000, 20  # mentions that may be results, and so many more for each result
VOTED_ON = 1_000  # of them, and as many more
FAR = 40_000  # rank to which there may be voters
_LOW = 256  # lots are low enough to vote up to this by rank; that is three times what it takes
_SHARE = 4  # of all mentions get a rough look, one in so many at least
_SAMPLED = 16  # one value in so many tells ranks


class Nearest(NamedTuple):
    """The mentions to look at.

    Attributes:
        rows: Their numbers, ``(n,)``, rising.
        stands_for: float32 ``(n,)``, how many of all mentions each stands for.
        voted_on: How many of the best are voted on.
    """

    rows: NDArray[np.intp]
    stands_for: NDArray[np.float32]
    voted_on: int


def nearest(
    table: MentionTable, query: ScoredQuery, allowed: NDArray[np.bool_], bounds: Bounds
) -> Nearest | None:
    """The mentions to look at.

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
    look = _look(table, vector, max(2 * FAR, 8 * wanted, len(table) // _SHARE))
    stands_for = np.zeros(len(table), dtype=np.float32)
    near = look.values >= _reached(look.values, wanted)
    mentions, ranks = _voters(look, near)
    stands_for[look.mentions[near]] = 1
    stands_for[mentions] = np.maximum(1, ranks / _LOW)
    chosen = stands_for > 0
    if not allowed.all():
        may = np.repeat(allowed, np.diff(table.first))
        if (there := np.count_nonzero(may)) > 2 * wanted:
            if np.count_nonzero(may[look.mentions]) < wanted:
                look = _look(table, vector, len(table))
            its = may[look.mentions]
            reached = _reached(look.values[its], wanted)
            chosen[look.mentions[its & (look.values >= reached)]] = True
        elif there:
            chosen |= may
    rows = np.flatnonzero(chosen)
    return Nearest(rows, stands_for[rows], VOTED_ON + A_RESULT * bounds.last)


def _look(table: MentionTable, vector: NDArray[np.float32], least: int) -> Look:
    """A look at ``least`` mentions or more, near ones: rough where there are cells."""
    if table.cells is not None:
        return table.cells.look(vector, least)
    return Look(np.arange(len(table)), table.vectors @ vector, votes.lots(table.vectors))


def _reached(values: NDArray[np.float32], n: int) -> np.float32:
    """The value that about n of some reach."""
    sample = values[::_SAMPLED]
    place = max(0, len(sample) - n // _SAMPLED)
    reached: np.float32 = np.partition(sample, place)[place]
    return reached


def _voters(
    look: Look, near: NDArray[np.bool_]
) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
    """Those that may vote though they are not near, and about which rank each has."""
    sample = np.sort(-look.values[::_SAMPLED])
    few = (look.lots < _LOW / np.count_nonzero(near)) & (-look.values <= sample[FAR // _SAMPLED])
    places = np.flatnonzero(few & ~near)
    ranks = _SAMPLED * np.searchsorted(sample, -look.values[places]).astype(np.float32)
    low = look.lots[places] * ranks < _LOW
    return look.mentions[places[low]], ranks[low]
