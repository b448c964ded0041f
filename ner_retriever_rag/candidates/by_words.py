"""What is added to mentions' similarities for their words and those near them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.queries.scoring import ScoredQuery


def by_words(table: MentionTable, query: ScoredQuery) -> NDArray[np.float32]:
    """What repetitions of a description lose, and mentions near its names gain.

    Args:
        table: The mentions.
        query: The types.

    Returns:
        float32 ``(types, mentions)``, to be added to cosines.
    """
    added = np.zeros((len(query.leaves), len(table)), dtype=np.float32)
    for row, (repetition, named) in enumerate(zip(query.repetitions, query.named, strict=True)):
        if repetition is None or named is None:
            continue
        added[row] = named.raised_by(table.nearby)
        numbers = np.fromiter(repetition.last_words, dtype=np.uint32)
        for n in np.flatnonzero(np.isin(table.last_words, numbers)).tolist():
            cased = bool(table.cased[table.owner[n]])
            added[row, n] -= repetition.lowered_by(table.text(n), cased=cased)
    return added
