"""How many documents, and how many distinct entities, are of a type: a number with an interval.

The sum of calibrated probabilities is the expected number, but no type is calibrated perfectly: the
true number is off by a factor that differs from type to type and from corpus to corpus. How large
it gets was measured on sets whose answers are known (``benchmarks/estimates.py``): the log of the
true number over the expected one, divided by a spread of two parts, one that every type has
(``spread``) and one that shrinks with the count as that of a Poisson number does. The 5% and 95%
quantiles of these residuals make the interval (split conformal prediction: Vovk, Gammerman and
Shafer 2005), so that it holds the truth in 90% of types like those it was fitted on.
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

_HALF = 0.5  # added to both numbers, so that none is zero under the logarithm


@dataclass(frozen=True, slots=True)
class Residuals:
    """How far expected numbers were from the truth.

    Attributes:
        spread: What every type has of it, in the logarithm.
        low: The 5% quantile of the residuals in units of their spread.
        high: The 95% quantile.
    """

    spread: float
    low: float
    high: float

    def width(self, expected: float) -> float:
        """The spread of the logarithm at an expected number."""
        return sqrt(self.spread**2 + 1 / (expected + _HALF))

    def residual(self, expected: float, true: int) -> float:
        """How far the truth is from an expected number, in units of the spread."""
        return float(np.log((true + _HALF) / (expected + _HALF)) / self.width(expected))

    def interval(self, expected: float, most: int) -> tuple[int, int]:
        """The 90% interval around an expected number, within 0 and ``most``."""
        around = expected + _HALF
        width = self.width(expected)
        low = floor(around * exp(self.low * width) - _HALF)
        high = ceil(around * exp(self.high * width) - _HALF)
        return max(0, min(low, most)), min(most, max(high, 0))


# benchmarks/estimates.py fits them, and measures them with each set left out.
DOCUMENTS = Residuals(1.4, -1.88, 0.67)
ENTITIES = Residuals(1.4, -0.89, 0.51)


@dataclass(frozen=True, slots=True)
class Count:
    """A number that is not known exactly.

    Attributes:
        expected: The sum of the scores behind it.
        low: Least number of the 90% interval.
        high: Greatest number of it.
    """

    expected: float
    low: int
    high: int

    @classmethod
    def of(cls, scores: NDArray[np.floating], residuals: Residuals) -> Count:
        """The count of what has some scores.

        Args:
            scores: ``(n,)``, the probability of everything that may count.
            residuals: How far such counts are off.
        """
        expected = float(scores.sum(dtype=np.float64))
        return cls(expected, *residuals.interval(expected, len(scores)))

    def __str__(self) -> str:
        return f"{self.expected:,.0f} ({self.low:,} to {self.high:,})"


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many documents and entities are of a type, and what that is the sum of.

    Attributes:
        documents: How many documents mention one.
        entities: How many distinct entities there are.
        document_scores: The documents that count for something, id and score, best first.
        entity_list: The entities that count for something, best first.
    """

    documents: Count
    entities: Count
    document_scores: list[tuple[str, float]]
    entity_list: list[Entity]

    def __str__(self) -> str:
        return f"documents: {self.documents}; entities: {self.entities}"


def estimate(search: Search, query: Query, bounds: Bounds, decisions: Decisions) -> Estimate:
    """Estimate how much is of a type; ``EntityIndex.estimate`` explains.

    Args:
        search: Searches the index.
        query: What is looked for.
        bounds: Where, and from which score on something is listed.
        decisions: What was decided about names.
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
