"""Estimated counts, with intervals, of the documents and distinct entities of a type.

The sum of calibrated probabilities is the expected count, but no type is calibrated perfectly: the
true count is off by a factor that varies between types and corpora. Its size was measured on
labeled sets (``benchmarks/estimates.py``) as residuals: the log ratio of the true to the expected
count, divided by a spread with two components, one common to all types (``spread``) and one that
shrinks with the count as that of a Poisson variable does. The 5% and 95% quantiles of these
residuals give the interval (split conformal prediction: Vovk, Gammerman and Shafer 2005), so it
covers the true count for 90% of types like those it was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, floor, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.decisions import Decisions
from ner_retriever_rag.index.entities import Entity, group_entities
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.queries.query import Query

if TYPE_CHECKING:
    from ner_retriever_rag.search.search import Search

_PSEUDO_COUNT = 0.5  # added to both counts, to avoid the logarithm of zero


@dataclass(frozen=True, slots=True)
class Residuals:
    """Distribution of the errors of expected counts.

    Attributes:
        spread: Spread of the log ratio that is common to all types.
        low: The 5% quantile of the residuals, in units of their spread.
        high: The 95% quantile.
    """

    spread: float
    low: float
    high: float

    def width(self, expected: float) -> float:
        """The spread of the log ratio at an expected count."""
        return sqrt(self.spread**2 + 1 / (expected + _PSEUDO_COUNT))

    def residual(self, expected: float, true: int) -> float:
        """The log ratio of the true to an expected count, in units of the spread."""
        return float(
            np.log((true + _PSEUDO_COUNT) / (expected + _PSEUDO_COUNT)) / self.width(expected)
        )

    def interval(self, expected: float, most: int) -> tuple[int, int]:
        """The 90% interval around an expected count, clipped to 0 and ``most``."""
        around = expected + _PSEUDO_COUNT
        width = self.width(expected)
        low = floor(around * exp(self.low * width) - _PSEUDO_COUNT)
        high = ceil(around * exp(self.high * width) - _PSEUDO_COUNT)
        return max(0, min(low, most)), min(most, max(high, 0))


# Fitted by benchmarks/estimates.py, which evaluates them with each set left out in turn.
DOCUMENTS = Residuals(1.4, -1.88, 0.67)
ENTITIES = Residuals(1.4, -0.89, 0.51)


@dataclass(frozen=True, slots=True)
class Count:
    """An estimated count.

    Attributes:
        expected: The sum of the scores behind it.
        low: Lower end of the 90% interval.
        high: Upper end of the 90% interval.
    """

    expected: float
    low: int
    high: int

    @classmethod
    def of(cls, scores: NDArray[np.floating], residuals: Residuals) -> Count:
        """Estimate a count from the scores of its candidates.

        Args:
            scores: ``(n,)``, the probability of each candidate.
            residuals: Error distribution of such counts.
        """
        expected = float(scores.sum(dtype=np.float64))
        return cls(expected, *residuals.interval(expected, len(scores)))

    def __str__(self) -> str:
        return f"{self.expected:,.0f} ({self.low:,} to {self.high:,})"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated numbers of documents and entities of a type, with the lists behind them.

    Attributes:
        documents: Number of documents that mention one.
        entities: Number of distinct entities.
        document_scores: The documents that reach the minimum score, id and score, best first.
        entity_list: The entities that reach the minimum score, best first.
    """

    documents: Count
    entities: Count
    document_scores: list[tuple[str, float]]
    entity_list: list[Entity]

    def __str__(self) -> str:
        return f"documents: {self.documents}; entities: {self.entities}"


def estimate(search: Search, query: Query, bounds: Bounds, decisions: Decisions) -> Estimate:
    """Estimate the counts of a type; see ``EntityIndex.estimate``.

    Args:
        search: Searches the index.
        query: The type, or a combination of types.
        bounds: The filter, and the minimum score to be listed.
        decisions: The user's decisions about names.
    """
    found = search.mention_scores(query, bounds)
    scores = found.document_scores()
    listed = np.flatnonzero(scores >= bounds.floor)
    changed = search.changed(found.table, listed.tolist())
    scores[list(changed)] = 0
    order = listed[np.lexsort((listed, -scores[listed]))]
    entities = group_entities(search, query, bounds, None, decisions)
    return Estimate(
        Count.of(scores, DOCUMENTS),
        Count.of(np.array([each.score for each in entities]), ENTITIES),
        [(found.table.doc_ids[row], float(scores[row])) for row in order if scores[row] > 0],
        entities,
    )
