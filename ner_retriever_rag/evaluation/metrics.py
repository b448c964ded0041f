"""Metrics of a ranking, and of the mentions found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag._imports import require
from ner_retriever_rag.schema import Span


@dataclass(frozen=True, slots=True)
class TypeMetrics:
    """Retrieval metrics of one type.

    Attributes:
        relevant: Number of texts that mention the type, R.
        r_precision: Share of the top R that do; equal to recall at R.
        average_precision: Average precision over the whole ranking.
        precision: Precision of a search for all (``k=None``); None if a system has no such search.
        recall: Recall of the same.
        f1: F1 of the same.
        precision_at_10: Share of the top ten that mention the type.
    """

    relevant: int
    r_precision: float
    average_precision: float
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    precision_at_10: float | None = None


def type_metrics(
    scores: NDArray[np.float32],
    relevant: Collection[int],
    selected: NDArray[np.bool_] | None = None,
) -> TypeMetrics:
    """Score one ranking; average precision is that of ir-measures (Macdonald et al., 2022).

    Args:
        scores: float32 ``(n_texts,)``, higher is better; -inf for texts that were not found.
        relevant: Indices of the relevant texts; at least one.
        selected: bool ``(n_texts,)``, the texts returned by a search for all (``k=None``).

    Raises:
        ImportError: If ir-measures is not installed.
        ValueError: If nothing is relevant.
    """
    if not relevant:
        raise ValueError("relevant must name at least one text")
    measures = require("ir_measures", extra="eval")
    gold = np.zeros(len(scores), dtype=bool)
    gold[list(relevant)] = True
    order = pessimistic_order(scores, gold)
    found = measures.calc_aggregate(
        [measures.AP],
        {"type": {str(text): 1 for text in relevant}},
        {"type": {str(text): float(len(order) - rank) for rank, text in enumerate(order)}},
    )
    figures = (len(relevant), r_precision(scores, gold), found[measures.AP])
    at_10 = float(gold[order[:10]].sum() / 10)
    if selected is None:
        return TypeMetrics(*figures, precision_at_10=at_10)
    hits = int((gold & selected).sum())
    precision, recall = hits / max(1, int(selected.sum())), hits / len(relevant)
    f1 = 2 * hits / (int(selected.sum()) + len(relevant))
    return TypeMetrics(*figures, precision, recall, f1, at_10)


def pessimistic_order(scores: NDArray[np.float32], gold: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Indices of texts, best first; among equal scores, irrelevant texts come first."""
    return np.lexsort((gold, -scores))


def r_precision(scores: NDArray[np.float32], gold: NDArray[np.bool_]) -> float:
    """R-Precision: the share of relevant texts among the top R, R being their number.

    Args:
        scores: float32 ``(n_texts,)``, higher is better; ties are broken by
            :func:`pessimistic_order`.
        gold: bool ``(n_texts,)``, the relevant texts; at least one.
    """
    return float(gold[pessimistic_order(scores, gold)[: gold.sum()]].mean())


def macro(figures: Collection[TypeMetrics], name: str) -> float | None:
    """The unweighted mean of one metric over types; None if any type lacks it."""
    values = [getattr(each, name) for each in figures]
    return None if None in values else float(np.mean(values))


@dataclass(frozen=True, slots=True)
class BoundaryMetrics:
    """Metrics of the spans found.

    Attributes:
        exact: Share of gold spans found exactly.
        overlap: Share of gold spans that some span found overlaps.
        per_text: Spans found per text.
    """

    exact: float
    overlap: float
    per_text: float


def boundary_metrics(
    gold: Iterable[Sequence[Span]], found: Iterable[Sequence[Span]]
) -> BoundaryMetrics:
    """Compare the spans found with the gold ones, text by text."""
    exact = overlap = total = spans = texts = 0
    for of_text, hits in zip(gold, found, strict=True):
        texts += 1
        spans += len(hits)
        total += len(of_text)
        exact += len(set(of_text) & set(hits))
        overlap += sum(any(a < end and b > start for a, b in hits) for start, end in of_text)
    return BoundaryMetrics(exact / max(total, 1), overlap / max(total, 1), spans / max(texts, 1))


def b_cubed(
    gold: Mapping[int, str], clusters: Sequence[Sequence[int]]
) -> tuple[float, float, float]:
    """B-cubed precision, recall and F1 of clusters (Bagga and Baldwin 1998).

    Args:
        gold: Entity of each mention.
        clusters: Predicted clusters; each mention in exactly one.
    """
    sizes: dict[str, int] = defaultdict(int)
    for entity in gold.values():
        sizes[entity] += 1
    precision = recall = 0.0
    for cluster in clusters:
        counts: dict[str, int] = defaultdict(int)
        for mention in cluster:
            counts[gold[mention]] += 1
        for entity, count in counts.items():
            precision += count * count / len(cluster)
            recall += count * count / sizes[entity]
    precision, recall = precision / len(gold), recall / len(gold)
    return precision, recall, 2 * precision * recall / (precision + recall)
