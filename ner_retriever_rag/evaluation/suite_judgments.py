"""The value of a user's relevance judgments: F1 of ``k=None`` after some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.evaluation.suite_systems import CachedSystem
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.search.in_memory_texts import Ranked

COUNTS = (0, 10, 20, 50)  # judgments per type
JUDGMENT_POOL = 100  # top documents from which the judged ones are sampled at random


@dataclass(frozen=True, slots=True)
class JudgmentResult:
    """F1 on one set after some judgments for each of its types.

    Attributes:
        set: Name of the set.
        judgements: Number of documents judged per type, by gold.
        f1: F1 of a search for all (``k=None``), macro over types.
        f1_of_others: The same on the documents that were not judged, over the types with relevant
            ones among them.
        f1_before: F1 on the same documents and types without any judgment.
    """

    set: str
    judgements: int
    f1: float
    f1_of_others: float
    f1_before: float


def measure_judgments(
    system: CachedSystem, task: Task, counts: Sequence[int] = COUNTS
) -> list[JudgmentResult]:
    """Judge random documents among the top ones by gold, then search for all (``k=None``).

    Args:
        system: The system to evaluate.
        task: The set.
        counts: Numbers of judgments, each measured on its own.
    """
    held = system.held(task)
    figures = np.full((len(counts), len(task.queries), 3), np.nan)
    for number, (label, query) in enumerate(task.queries.items()):
        gold = np.zeros(len(task.texts), dtype=np.bool_)
        gold[list(task.relevant[label])] = True
        held.judge(query, [], [])
        before = system.rank_type(held, query)
        first = before.order[:JUDGMENT_POOL]
        for row, count in enumerate(counts):
            generator = np.random.default_rng([number, count])
            judged = generator.choice(first, min(count, len(first)), replace=False)
            after = before
            if len(judged):
                held.judge(query, judged[gold[judged]], judged[~gold[judged]])
                after = system.rank_type(held, query)
            figures[row, number, 0] = _f1(_selected(after, gold), gold)
            others = np.ones(len(gold), dtype=np.bool_)
            others[judged] = False
            if gold[others].any():
                for place, each in ((1, after), (2, before)):
                    chosen = _selected(each, gold)
                    figures[row, number, place] = _f1(chosen[others], gold[others])
    held.judge("", [], [])
    means = np.nanmean(figures, axis=1)
    return [
        JudgmentResult(task.name, count, *map(float, row))
        for count, row in zip(counts, means, strict=True)
    ]


def _selected(ranked: Ranked, gold: NDArray[np.bool_]) -> NDArray[np.bool_]:
    selected = np.zeros(len(gold), dtype=np.bool_)
    selected[ranked.order[ranked.scores >= ranked.threshold]] = True
    return selected


def _f1(selected: NDArray[np.bool_], gold: NDArray[np.bool_]) -> float:
    return float(2 * (selected & gold).sum() / max(1, selected.sum() + gold.sum()))
