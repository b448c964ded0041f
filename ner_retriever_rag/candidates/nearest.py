"""Which mentions a search for a few results looks at in a large index: those nearest to the query.

The stages of ranking take several passes over what they are given; over a million mentions that is
most of a search. Results, and the neighbours that count for them, are among the nearest, which an
inverted file (:mod:`~ner_retriever_rag.candidates.cells`) finds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import LARGE
from ner_retriever_rag.candidates.folder import FolderCandidates
from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.queries.scoring import ScoredQuery

NEAREST = 16_000  # candidates, more than are smoothed
A_RESULT = 20  # more candidates for each result


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
    return FolderCandidates(table).rows_near(query.vectors[0], wanted, allowed)
