"""Pseudo-relevance feedback: the query moves towards what it finds (Rocchio 1971).

The mentions nearest to a description say more of what is meant than its few words. So there are two
rounds: the best candidates of the first, each weighted by its probability, make a centroid, and the
query moves towards it the further the surer they are. Where a corpus has few mentions of a type the
centroid drifts off to its neighbours; hence the result is the mean of both rounds, the second
shifted to the level of the first.
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
class PseudoRelevanceFeedback:
    """The mean of two rounds, the second by a query moved towards the best of the first.

    Attributes:
        top: Candidates that make the centroid.
        prior: Pseudo-count: with so many sure candidates the centroid has half its weight.
        level: Candidates, the best, whose mean log odds the rounds are brought to one level by.
    """

    top: int
    prior: float
    level: int

    sharpens: ClassVar[bool] = True
    needs_calibration: ClassVar[bool] = False

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The mean of both rounds' log odds."""
        moved = candidates.vectors @ self.expanded(query, candidates, log_odds)
        # What else was added to the first round, as for words, counts in the second, too.
        second = log_odds + np.float32(query.scale.slope) * (moved - query.similarities)
        level = log_odds[largest(log_odds, self.level)].mean()
        level -= second[largest(second, self.level)].mean()
        mean: LogOdds = (log_odds + second + level) / 2
        return mean

    def expanded(
        self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds
    ) -> NDArray[np.float32]:
        """The query of the second round, float32 ``(dim,)``, L2-normalised."""
        best = largest(log_odds, self.top)
        weights = query.scale.score(log_odds[best])
        total = float(weights.sum())
        centroid = weights @ candidates.vectors[best]
        length = float(np.linalg.norm(centroid))
        if not length:
            return query.vector
        moved = query.vector + total / (total + self.prior) / length * centroid
        unit: NDArray[np.float32] = (moved / np.linalg.norm(moved)).astype(np.float32)
        return unit
