"""Reranking of the best candidates by the pair model, in their passages.

A cross-encoder sees what a vector cannot hold: modifiers of the description, and what the passage
says about the mention (Nogueira and Cho 2019). Its logit is interpolated with the candidate's log
odds. Candidates that are not reranked change as much as the reranked ones do on average, so that
all scores of a type are on one scale; those without a logit keep their log odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.schema import Candidates


@dataclass(frozen=True, slots=True)
class Rerank:
    """Interpolates log odds and the pair model's logits.

    Attributes:
        logit_weight: Weight of the pair model's logit, in [0, 1]; that of the log odds is the rest.
    """

    logit_weight: float

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """Combine the best candidates' log odds with the pair model's logits, if requested."""
        if query.rerank is None or not query.rerank_top:
            return log_odds
        best = to_rerank(query, log_odds, query.rerank_top)
        if not len(best):
            return log_odds
        return interpolated(log_odds, best, query.rerank(best), self.logit_weight)


def interpolated(
    log_odds: LogOdds, best: NDArray[np.intp], logits: NDArray[np.floating], logit_weight: float
) -> LogOdds:
    """Interpolate log odds and logits; the other log odds change by the mean change.

    Args:
        log_odds: float ``(n,)``.
        best: Candidates to rerank, int64 ``(m,)``.
        logits: Their logits, float ``(m,)``; those with NaN keep their log odds.
        logit_weight: Weight of the logits, in [0, 1].
    """
    scored = ~np.isnan(logits)
    change = logit_weight * (logits[scored] - log_odds[best[scored]])
    reranked = log_odds.copy()
    if len(change):
        reranked += change.mean()
        reranked[best] = log_odds[best]
        reranked[best[scored]] += change
    return reranked


def to_rerank(query: TypeQuery, log_odds: LogOdds, count: int) -> NDArray[np.intp]:
    """The best candidates that may be reranked, int64 ``(m,)`` with at most ``count`` of them."""
    may = np.ones(len(log_odds), dtype=np.bool_)
    if query.wanted is not None:
        may &= query.wanted.mask
    if (words := query.words) is not None:  # "[A volcano]" is a volcano, but no answer
        may &= ~(words.repetitions & words.cased)
    rows = np.flatnonzero(may)
    return rows[largest(log_odds[rows], count)]
