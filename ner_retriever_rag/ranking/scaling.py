"""Platt scaling: log odds become those of a calibrated probability in the corpus searched.

A mention's log odds say how well it fits the type, not how often a mention that fits this well is
correct, which differs between tickets and an encyclopedia. A logistic regression (Platt 1999)
predicts the latter from the log odds and from one indicator of whether the query has matches at
all: how far its best candidate stands out from all others. If none stands out, the log odds carry
little information, as at a high temperature (Guo and others 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing
from ner_retriever_rag.schema import Candidates

_MIN_SPREAD = 1e-3  # log odds; for candidates that are all the same
_MIN_GAIN = 0.1  # for a best candidate below the mean; positive, so that the order is kept


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """A linear map of the log odds, steeper the further the best candidate stands out.

    Attributes:
        slope: Slope of the log odds per standard deviation of information gain.
        per_breadth: Log odds per unit of the type's breadth: the mentions of a narrow type are
            more certain than those of a broad one.
        offset: Offset in log odds.
    """

    slope: float
    per_breadth: float
    offset: float

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """Scale the log odds."""
        steepness = self.slope * self.gain(query, candidates, log_odds)
        scaled: LogOdds = (
            steepness * (log_odds + self.per_breadth * query.scale.breadth) + self.offset
        )
        return scaled

    def gain(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> float:
        """How far the best candidate stands out from all candidates, in standard deviations.

        This is weighted information gain (Zhou and Croft 2007), a query performance predictor. The
        best candidate is taken before kernel smoothing; the background sample represents all
        candidates. The calibration's sample of mentions gets the same weight as the background:
        the spread of few candidates is uninformative, and of a common type many are good.
        """
        scale, background = query.scale, candidates.background
        best = query.stage_inputs.get(NeighborSmoothing, log_odds).max()
        odds = scale.log_odds(background.vectors @ query.vector)
        of_sample = scale.slope * scale.breadth + scale.offset
        mean = (odds.mean() + of_sample) / 2
        around = (scale.slope * scale.spread) ** 2 + (of_sample - mean) ** 2
        variance = (np.mean((odds - mean) ** 2) + around) / 2
        return max(_MIN_GAIN, float((best - mean) / max(np.sqrt(variance), _MIN_SPREAD)))
