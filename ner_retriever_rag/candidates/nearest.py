"""Candidate generation in a large index: a search for a few results ranks the nearest mentions.

The ranking stages make several passes over their input; over a million mentions, that is most of
the search time. The results, and the neighbors that contribute to their scores, are among the
nearest mentions, which an inverted file (:mod:`~ner_retriever_rag.candidates.cells`) finds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import LARGE, Scan
from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.queries.scoring import ScoredQuery

NEAREST = 16_000  # candidates, more than kernel smoothing uses
A_RESULT = 20  # additional candidates per result
_SHARE, _TIMES = 5, 4  # scan at least one mention in _SHARE, and _TIMES the number wanted
_LITTLE = 4  # if at most this many times the number wanted pass a filter, all of them are taken
_SAMPLED = 16  # one value in this many is used to estimate the n-th largest


def nearest(
    table: MentionTable, query: ScoredQuery, allowed: NDArray[np.bool_], bounds: Bounds
) -> NDArray[np.integer] | None:
    """Return the rows of the candidates in a large index, ascending.

    Args:
        table: All mentions.
        query: The query.
        allowed: bool ``(documents,)``, which pass the filter; their nearest mentions are included.
        bounds: The limits of the search.

    Returns:
        None for all mentions: in a small index, if all results or exact ones are wanted, and for
        combined queries, since a document near to one part may be far from another.
    """
    if len(table) <= LARGE or bounds.stop is None or bounds.exact:
        return None
    if len(query.leaves) > 1 or query.score_without_mentions > 0:
        return None
    wanted = NEAREST + A_RESULT * bounds.stop
    return rows_near(table, query.vectors[0], wanted, allowed)


def rows_near(
    table: MentionTable,
    vector: NDArray[np.float32],
    n: int,
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.integer]:
    """Return the rows, ascending, of the mentions nearest to a vector: about n, or more.

    Args:
        table: All mentions.
        vector: float32 ``(dim,)``.
        n: How many, if there are that many.
        allowed: bool ``(documents,)``, which pass the filter; about n / 2 of their nearest mentions
            are added.
    """
    scanned = _scan(table, vector, max(_TIMES * n, len(table) // _SHARE))
    near = scanned.mentions[scanned.values >= _nth_largest(scanned.values, n)]
    if allowed is None or allowed.all():
        return np.sort(near)
    may = np.repeat(allowed, np.diff(table.first))
    if np.count_nonzero(may) <= _LITTLE * n:
        return np.union1d(near, np.flatnonzero(may))
    if np.count_nonzero(may[scanned.mentions]) < n:
        scanned = _scan(table, vector, len(table))
    its, values = scanned.mentions[may[scanned.mentions]], scanned.values[may[scanned.mentions]]
    return np.union1d(near, its[values >= _nth_largest(values, n // 2)])


def _scan(table: MentionTable, vector: NDArray[np.float32], least: int) -> Scan:
    """Compare with ``least`` or more near mentions: coarsely if there are cells, else with all."""
    if table.cells is not None:
        return table.cells.scan(vector, least)
    return Scan(np.arange(len(table)), table.vectors @ vector)


def _nth_largest(values: NDArray[np.float32], n: int) -> np.float32:
    """Estimate the n-th largest value from a sample."""
    sample = values[::_SAMPLED]
    if not len(sample):
        return np.float32(0)
    place = min(max(0, len(sample) - n // _SAMPLED), len(sample) - 1)
    largest: np.float32 = np.partition(sample, place)[place]
    return largest
