"""Small corpora: evaluation on a few texts of a set at a time, like a user's own folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ner_retriever_rag.evaluation.report import score_ranking
from ner_retriever_rag.evaluation.suite_systems import CachedSystem
from ner_retriever_rag.evaluation.suites import scored_types
from ner_retriever_rag.evaluation.tasks import Task

CORPUS_SIZE = 40  # texts per small corpus


@dataclass(frozen=True, slots=True)
class SmallCorpora:
    """Metrics of one system on small corpora sampled from a set; means over the corpora.

    Attributes:
        set: Name of the set.
        system: Name of the system.
        corpora: Number of sampled corpora that mention a type often enough to score.
        r_precision: R-Precision.
        f1: F1 at the threshold.
    """

    set: str
    system: str
    corpora: int
    r_precision: float
    f1: float


def measure_small_corpora(system: CachedSystem, task: Task, draws: int) -> SmallCorpora:
    """Rank small corpora sampled from a set's texts, each on its own.

    Args:
        system: The system to evaluate.
        task: The set.
        draws: Number of corpora; the same ones are used for every system.
    """
    found: list[tuple[float, float]] = []
    for number in range(draws):
        generator = np.random.default_rng([number, len(task.texts)])
        size = min(CORPUS_SIZE, len(task.texts))
        drawn = np.sort(generator.choice(len(task.texts), size, replace=False)).tolist()
        part = subtask(task, drawn)
        if part.queries:
            ranking = system.rank_texts(system.subset(task, drawn), part)
            result = score_ranking(system.name, part, ranking)
            found.append((result.macro("r_precision") or 0.0, result.macro("f1") or 0.0))
    means = np.mean(found, axis=0) if found else (float("nan"), float("nan"))
    return SmallCorpora(task.name, system.name, len(found), float(means[0]), float(means[1]))


def subtask(task: Task, numbers: Sequence[int]) -> Task:
    """Select some of a task's texts, with the types that enough of them mention."""
    place = {number: row for row, number in enumerate(numbers)}
    relevant = {
        label: frozenset(place[number] for number in texts if number in place)
        for label, texts in task.relevant.items()
    }
    part = replace(
        task,
        texts=[task.texts[number] for number in numbers],
        spans=[task.spans[number] for number in numbers],
        relevant=relevant,
    )
    return scored_types(part)
