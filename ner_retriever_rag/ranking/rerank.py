"""Reranking: a second, slower model looks at the best candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.schema import Candidates


@dataclass(frozen=True, slots=True)
class Rerank:
    """Adds the log odds that the query's reranker gives the best candidates that are wanted.

    Attributes:
        top: How many candidates it looks at.
    """

    top: int

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds with the reranker's added; as they were without a reranker."""
        if query.rerank is None:
            return log_odds
        may = np.arange(len(log_odds))
        if query.wanted is not None:
            may = np.flatnonzero(query.wanted.mask)
        best = may[largest(log_odds[may], self.top)]
        reranked = log_odds.copy()
        reranked[best] += query.rerank(best)
        return reranked
