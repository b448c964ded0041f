"""Prevalence (prior) shift: how common a type is among the candidates.

Most candidates are of other types, and pull the smoothed log odds down, the more so the less sure
even the best are. One shift for all candidates of a query makes up
for it, which moves none past another. Where nothing is of the type, nothing is shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ner_retriever_rag.ranking.ordering import mean_of_best
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing
from ner_retriever_rag.schema import Candidates


@dataclass(frozen=True, slots=True)
class PrevalenceShift:
    """Adds one number to the log odds of all candidates.

    Whether anything is of the type is inferred from the mean log odds of the best candidates,
    before smoothing. The best of a narrow type are surer than those of a broad one, so
    the type's breadth is added.

    Attributes:
        top: How many are the best; a hundredth of the candidates where that is less.
        shift: Log odds, where the best have log odds of 0.
        per_top: Log odds for each of the best's mean log odds.
        per_breadth: Log odds, added to the best's, for each unit of the type's breadth.
        absent: Log odds of the best at which nothing is shifted.
        present: Log odds of the best from which on everything is.
    """

    top: int
    shift: float
    per_top: float
    per_breadth: float
    absent: float
    present: float

    sharpens: ClassVar[bool] = True
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds, shifted."""
        before, count = query.before.get(NeighborSmoothing, log_odds), candidates.background.count
        best = mean_of_best(before, count, self.top)
        evidence = best + self.per_breadth * query.scale.breadth
        share = np.clip((evidence - self.absent) / (self.present - self.absent), 0, 1)
        by = float(share) * (self.shift + self.per_top * best)
        shifted: LogOdds = log_odds + by
        return shifted
