"""The tables of a suite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ner_retriever_rag.evaluation.suite_measure import SetResult

_FIGURES = {
    "R-Precision": "r_precision",
    "P@10": "precision_at_10",
    "P at 0.5": "precision",
    "R at 0.5": "recall",
    "F1 at 0.5": "f1",
}


def mean_rows(results: Sequence[SetResult]) -> tuple[list[str], list[list[str]]]:
    """Means over sets, unweighted: of each set, of each group, of all.

    Returns:
        The columns, and the rows with as many cells.
    """
    rows = []
    groups: dict[str, set[str]] = {}
    for each in results:
        groups.setdefault(each.result.task, set()).add(each.result.task)
    for each in results:
        groups.setdefault(each.group, set()).add(each.result.task)
    groups["all"] = {each.result.task for each in results}
    for name, members in groups.items():
        for system in dict.fromkeys(each.result.system for each in results):
            cells = [cell(mean(results, members, system, each)) for each in _FIGURES.values()]
            rows.append([f"{name} ({len(members)})" if len(members) > 1 else name, system, *cells])
    return ["sets", "system", *_FIGURES], rows


def mean(results: Sequence[SetResult], members: set[str], system: str, figure: str) -> float | None:
    """The unweighted mean over some sets of a system's figure; None where it has none."""
    values = [
        each.result.macro(figure)
        for each in results
        if each.result.task in members and each.result.system == system
    ]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def cell(value: float | None) -> str:
    """A figure with three digits; nothing where there is none."""
    return "" if value is None else f"{value:.3f}"
