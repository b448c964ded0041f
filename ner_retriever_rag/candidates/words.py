"""Word features of a table's mentions: repetitions of the description, names nearby."""

from __future__ import annotations

import numpy as np

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.schema import WordFeatures


def word_features(table: MentionTable, query: ScoredQuery) -> list[WordFeatures | None]:
    """Return the features of all mentions for each type; None for one given by examples only.

    Args:
        table: The mentions.
        query: The types.
    """
    features: list[WordFeatures | None] = []
    cased = table.cased[table.owner]
    for repetition, names in zip(query.repetitions, query.names, strict=True):
        if repetition is None or names is None:
            features.append(None)
            continue
        repeated = np.zeros(len(table), dtype=np.bool_)
        numbers = np.fromiter(repetition.last_words, dtype=np.uint32)
        may_be = np.flatnonzero(np.isin(table.last_words, numbers))
        for n in may_be.tolist():
            repeated[n] = repetition.covers(table.text(n))
        nearby = names.share_nearby(table.nearby)
        features.append(WordFeatures(repeated, nearby, table.named, cased))
    return features
