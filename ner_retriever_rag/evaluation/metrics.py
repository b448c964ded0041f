"""Figures of a ranking, by ir-measures (Macdonald and others, ECIR 2022)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag._imports import require


@dataclass(frozen=True, slots=True)
class TypeFigures:
    """How well the texts of one type were found.

    Attributes:
        relevant: Number of texts that mention the type, R.
        r_precision: Share of the top R that do; recall at R is the same number.
        average_precision: Over the whole ranking.
        precision: Of the texts over the threshold; None where a system has none.
        recall: Likewise.
        f1: Likewise.
    """

    relevant: int
    r_precision: float
    average_precision: float
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


def type_figures(
    scores: NDArray[np.float32],
    relevant: Collection[int],
    selected: NDArray[np.bool_] | None = None,
) -> TypeFigures:
    """Score one ranking. Of texts with equal scores those that are not relevant go first.

    Args:
        scores: float32 ``(n_texts,)``, higher is better; -inf for texts that were not found.
        relevant: Numbers of the texts that should be; at least one.
        selected: bool ``(n_texts,)``, the texts over the threshold.

    Raises:
        ImportError: If ir-measures is not installed.
        ValueError: If nothing is relevant.
    """
    if not relevant:
        raise ValueError("relevant must name at least one text")
    measures = require("ir_measures", extra="eval")
    gold = np.zeros(len(scores), dtype=bool)
    gold[list(relevant)] = True
    order = np.lexsort((gold, -scores))
    run = {str(text): float(len(order) - rank) for rank, text in enumerate(order)}
    found = measures.calc_aggregate(
        [measures.Rprec, measures.AP],
        {"type": {str(text): 1 for text in relevant}},
        {"type": run},
    )
    figures = (len(relevant), found[measures.Rprec], found[measures.AP])
    if selected is None:
        return TypeFigures(*figures)
    hits = int((gold & selected).sum())
    precision, recall = hits / max(1, int(selected.sum())), hits / len(relevant)
    f1 = 2 * hits / (int(selected.sum()) + len(relevant))
    return TypeFigures(*figures, precision, recall, f1)


def macro(figures: Collection[TypeFigures], name: str) -> float | None:
    """The unweighted mean of one figure over types; None where there is none."""
    values = [getattr(each, name) for each in figures]
    return None if None in values else float(np.mean(values))
