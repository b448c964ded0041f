"""The figures of a suite: every system on every set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ner_retriever_rag.evaluation.report import Result, scored
from ner_retriever_rag.evaluation.suite_systems import fused
from ner_retriever_rag.evaluation.suites import SuiteTask
from ner_retriever_rag.evaluation.systems import Ranking, System


@dataclass(frozen=True, slots=True)
class SetResult:
    """One system on one set.

    Attributes:
        group: The group of the suite that the set belongs to.
        result: The figures of every type.
    """

    group: str
    result: Result


def measure_suite(
    tasks: Sequence[SuiteTask],
    systems: Mapping[str, System],
    fusions: Mapping[str, Sequence[str]],
    done: Callable[[SetResult], None] = lambda _: None,
) -> list[SetResult]:
    """Rank all sets by all systems, and by what is fused of them.

    Args:
        tasks: The sets.
        systems: By what they are asked for as.
        fusions: Names for reports, and which systems are fused.
        done: Told of each result as it comes.
    """
    results = []
    for each in tasks:
        rankings: dict[str, Ranking] = {}
        named: list[tuple[str, Ranking]] = []
        for key, system in systems.items():
            rankings[key] = system.rank(each.task)
            named.append((system.name, rankings[key]))
            results.append(SetResult(each.group, scored(system.name, each.task, rankings[key])))
            done(results[-1])
        for name, keys in fusions.items():
            ranking = fused([rankings[key] for key in keys])
            results.append(SetResult(each.group, scored(name, each.task, ranking)))
            done(results[-1])
    return results
