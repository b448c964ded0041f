"""Metrics of a suite: every system on every set, and the reliability of scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ner_retriever_rag.evaluation.report import Result, score_ranking
from ner_retriever_rag.evaluation.suite_systems import CachedSystem, fuse_rankings
from ner_retriever_rag.evaluation.suites import SuiteTask
from ner_retriever_rag.evaluation.systems import Ranking, System
from ner_retriever_rag.evaluation.tasks import Task

BINS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.0)  # score bin edges; the last bin includes its upper edge
RELIABILITY_DEPTH = 60  # top documents per type whose scores are compared with gold
ABSENT = Path(__file__).with_name("absent_types.json")


@dataclass(frozen=True, slots=True)
class Reliability:
    """Reliability of a system's scores for its top documents, by score bin.

    Attributes:
        documents: Number of documents with a score in each of ``BINS``.
        said: Sum of their scores.
        right: Number of them that are relevant.
    """

    documents: tuple[int, ...]
    said: tuple[float, ...]
    right: tuple[int, ...]

    @classmethod
    def summed(cls, parts: Iterable[Reliability]) -> Reliability:
        """Pool the counts of several sets."""
        found = list(parts)
        return cls(
            tuple(map(sum, zip(*(each.documents for each in found), strict=True))),
            tuple(map(sum, zip(*(each.said for each in found), strict=True))),
            tuple(map(sum, zip(*(each.right for each in found), strict=True))),
        )

    def error(self) -> float:
        """Expected calibration error: the mean gap between score and share of relevant ones."""
        gaps = (abs(said - right) for said, right in zip(self.said, self.right, strict=True))
        return sum(gaps) / max(1, sum(self.documents))


@dataclass(frozen=True, slots=True)
class SetResult:
    """Results of one system on one set.

    Attributes:
        group: Group of the suite that the set belongs to.
        result: Metrics of every type.
        reliability: Reliability of its scores; None if they are not probabilities.
        absent: Best score of each description that no text answers, by kind of absence.
    """

    group: str
    result: Result
    reliability: Reliability | None = None
    absent: dict[str, dict[str, float]] = field(default_factory=dict)


def measure_suite(
    tasks: Sequence[SuiteTask],
    systems: Mapping[str, System],
    fusions: Mapping[str, Sequence[str]],
    done: Callable[[SetResult], None] = lambda _: None,
) -> list[SetResult]:
    """Rank all sets with all systems, and with fusions of them.

    Args:
        tasks: The sets.
        systems: Systems by the key they are requested with.
        fusions: Names for reports, with the keys of the systems that are fused.
        done: Called with each result as it comes.
    """
    absent = read_absent()
    results = []
    for each in tasks:
        task, rankings = each.task, {}
        for key, system in systems.items():
            ranking = rankings[key] = system.rank(task)
            best = {}
            if isinstance(system, CachedSystem) and system.detected:
                best = best_scores(system, task, absent.get(task.name, {}))
            results.append(
                SetResult(
                    each.group,
                    score_ranking(system.name, task, ranking),
                    reliability(ranking, task),
                    best,
                )
            )
            done(results[-1])
        for name, keys in fusions.items():
            ranking = fuse_rankings([rankings[key] for key in keys])
            results.append(SetResult(each.group, score_ranking(name, task, ranking)))
            done(results[-1])
    return results


def read_absent() -> dict[str, dict[str, list[str]]]:
    """Load descriptions that no text of a set answers, by set and kind of absence.

    "unrelated" types have nothing to do with the set; for "related" types, the set mentions
    broader or neighboring ones.
    """
    found: dict[str, dict[str, list[str]]] = json.loads(ABSENT.read_text(encoding="utf-8"))
    return found


def best_scores(
    system: CachedSystem, task: Task, descriptions: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """The best score of any text for each description."""
    held = system.held(task)
    return {
        kind: {each: float(max(system.rank_type(held, each).scores, default=0.0)) for each in some}
        for kind, some in descriptions.items()
    }


def reliability(ranking: Ranking, task: Task) -> Reliability | None:
    """Compare the scores of each type's top documents with gold; None without probabilities."""
    if ranking.probabilities is None:
        return None
    said, right = [], []
    for row, label in enumerate(task.queries):
        order = np.argsort(-ranking.scores[row], kind="stable")[:RELIABILITY_DEPTH]
        shown = order[ranking.scores[row, order] > -np.inf]
        said.append(ranking.probabilities[row, shown])
        right.append(np.isin(shown, list(task.relevant[label])))
    scores = np.concatenate([np.zeros(0, np.float32), *said])
    true = np.concatenate([np.zeros(0, np.bool_), *right])
    place = np.digitize(scores, BINS[1:-1])
    bins = range(len(BINS) - 1)
    return Reliability(
        tuple(int((place == each).sum()) for each in bins),
        tuple(float(scores[place == each].sum()) for each in bins),
        tuple(int(true[place == each].sum()) for each in bins),
    )
