"""What a user's judgements are worth: F1 of ``k=None`` after some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.evaluation.suite_systems import ByHeldTexts
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.search.held_texts import Ranked

COUNTS = (0, 10, 20, 50)  # judgements
JUDGED_OF = 100  # documents ranked first, of which those judged are drawn at random


@dataclass(frozen=True, slots=True)
class AfterJudgements:
    """One set after some judgements for each of its types.

    Attributes:
        set: The set.
        judgements: How many documents are judged, by gold.
        f1: Of what a search for all returns, macro over types.
        f1_of_others: The same of the documents that were not judged, over the types that have
            right ones among them.
        f1_before: Of the same documents and types without any judgement.
    """

    set: str
    judgements: int
    f1: float
    f1_of_others: float
    f1_before: float


def measure_judgements(
    system: ByHeldTexts, task: Task, counts: Sequence[int] = COUNTS
) -> list[AfterJudgements]:
    """Judge random ones of the documents found first, by gold, and search for all.

    Args:
        system: What ranks the texts.
        task: The set.
        counts: How many judgements, each number by itself.
    """
    held = system.held(task)
    figures = np.full((len(counts), len(task.queries), 3), np.nan)
    for number, (label, query) in enumerate(task.queries.items()):
        gold = np.zeros(len(task.texts), dtype=np.bool_)
        gold[list(task.relevant[label])] = True
        held.judge(query, [], [])
        before = held.rank(query, sharpen=system.sharpen)
        first = before.order[:JUDGED_OF]
        for row, count in enumerate(counts):
            generator = np.random.default_rng([number, count])
            judged = generator.choice(first, min(count, len(first)), replace=False)
            after = before
            if len(judged):
                held.judge(query, judged[gold[judged]], judged[~gold[judged]])
                after = held.rank(query, sharpen=system.sharpen)
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
        AfterJudgements(task.name, count, *map(float, row))
        for count, row in zip(counts, means, strict=True)
    ]


def _selected(ranked: Ranked, gold: NDArray[np.bool_]) -> NDArray[np.bool_]:
    selected = np.zeros(len(gold), dtype=np.bool_)
    selected[ranked.order[ranked.scores >= ranked.threshold]] = True
    return selected


def _f1(selected: NDArray[np.bool_], gold: NDArray[np.bool_]) -> float:
    return float(2 * (selected & gold).sum() / max(1, selected.sum() + gold.sum()))
