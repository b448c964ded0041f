"""Platt scaling: log odds become those of a probability in the corpus that is searched.

A mention's log odds say how well it fits the type, not how often what fits so well is right, which
is another thing in tickets than in an encyclopedia. A logistic regression (Platt 1999) tells that
from the log odds and from one sign of whether a query found what it asked for: how far its best
candidate stands out from all others. Where nothing does, the log odds say little, whatever they
are, as at a high temperature (Guo and others 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing
from ner_retriever_rag.schema import Candidates

_LEAST_SPREAD = 1e-3  # log odds; where all candidates are one
_LEAST_GAIN = 0.1  # where the best is below the mean; the order stays


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """A line of the log odds, the steeper the further the best candidate stands out.

    Attributes:
        slope: Of the log odds, for each standard deviation of information gain.
        per_breadth: Log odds for each unit of the type's breadth: the mentions of a narrow type are
            surer than those of a broad one.
        offset: Log odds.
    """

    slope: float
    per_breadth: float
    offset: float

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds, scaled."""
        steepness = self.slope * self.gain(query, candidates, log_odds)
        scaled: LogOdds = (
            steepness * (log_odds + self.per_breadth * query.scale.breadth) + self.offset
        )
        return scaled

    def gain(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> float:
        """How far the best candidate stands out from all, in standard deviations of all.

        That is weighted information gain (Zhou and Croft 2007), which predicts how well a query
        is answered. The best is that before neighbours were counted in, all are represented by
        the background sample. The calibration's sample of mentions counts as much as they: the
        spread among few candidates says nothing, and of a common type many are good.
        """
        scale, background = query.scale, candidates.background
        best = query.before.get(NeighborSmoothing, log_odds).max()
        odds = scale.log_odds(background.vectors @ query.vector)
        of_sample = scale.slope * scale.breadth + scale.offset
        mean = (odds.mean() + of_sample) / 2
        around = (scale.slope * scale.spread) ** 2 + (of_sample - mean) ** 2
        variance = (np.mean((odds - mean) ** 2) + around) / 2
        return max(_LEAST_GAIN, float((best - mean) / max(np.sqrt(variance), _LEAST_SPREAD)))
