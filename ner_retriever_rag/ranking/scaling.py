"""Platt scaling: log odds become those of a probability in the corpus that is searched.

A mention's log odds say how well it fits the type, not how often what fits so well is right, which
is another thing in tickets than in an encyclopedia. A logistic regression (Platt 1999) tells that
from the log odds and from one sign of whether a query found what it asked for: how far its best
candidates stand out from all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ner_retriever_rag.ranking.ordering import mean_of_best
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing
from ner_retriever_rag.schema import Candidates

_LEAST_SPREAD = 1e-3  # log odds; where all candidates are one


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """A line of the log odds and of the query's information gain.

    Attributes:
        slope: Of the log odds.
        per_gain: Log odds for each standard deviation of information gain.
        offset: Log odds.
        top: As in :class:`~ner_retriever_rag.ranking.prevalence.PrevalenceShift`.
        sample_weight: For how many candidates the calibration's sample of mentions counts, or the
            spread among few candidates would say nothing.
    """

    slope: float
    per_gain: float
    offset: float
    top: int
    sample_weight: float

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds, scaled."""
        by = self.per_gain * self.gain(query, candidates, log_odds) + self.offset
        scaled: LogOdds = self.slope * log_odds + by
        return scaled

    def gain(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> float:
        """How far the best candidates stand out from all, in standard deviations of all.

        That is weighted information gain (Zhou and Croft 2007), which predicts how well a query
        is answered. The best are those before neighbours were counted in, all are represented by
        the background sample.
        """
        scale, background = query.scale, candidates.background
        before = query.before.get(NeighborSmoothing, log_odds)
        best = mean_of_best(before, background.count, self.top)
        odds = scale.log_odds(background.vectors @ query.vector)
        of_sample = scale.slope * scale.breadth + scale.offset
        weights = [background.count, self.sample_weight]
        mean = np.average([odds.mean(), of_sample], weights=weights)
        around = (scale.slope * scale.spread) ** 2 + (of_sample - mean) ** 2
        variance = np.average([np.mean((odds - mean) ** 2), around], weights=weights)
        return float((best - mean) / max(np.sqrt(variance), _LEAST_SPREAD))
