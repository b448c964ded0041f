"""Suites: many datasets evaluated together, each as a task of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ner_retriever_rag.evaluation.formats import read_lines
from ner_retriever_rag.evaluation.tasks import Task, make_task, queries_for

TEXTS = 1_500  # maximum per set
MIN_TEXTS = 3  # minimum that mention a scored type
MAX_SHARE = 0.8  # maximum share of texts that mention a scored type
_SEED = 3


@dataclass(frozen=True, slots=True)
class Suite:
    """Datasets in one folder.

    Attributes:
        name: Name in reports.
        folder: Folder under the data folder; its ``names.json`` has the descriptions of each set.
        endings: Possible endings of a file name after the set's name; the first that exists is
            read.
        groups: Names of groups of sets that are averaged separately, and their sets.
    """

    name: str
    folder: str
    endings: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]


SUITES = {
    "domains": Suite(
        "domains",
        "domains",
        ("-par.jsonl.gz", ".jsonl.gz"),
        {
            "held out": (
                "skillspan", "court", "maintie", "earnings", "psytar", "litbank", "re3d"
            ),
            "boundaries in training": (
                "stackoverflow", "tasteset", "wlp", "mulms", "btc", "assistant", "annoctr"
            ),
        },
    ),
    "boundaries": Suite(
        "boundaries",
        "boundaries",
        ("-dev.jsonl", "-devel.jsonl", ".jsonl"),
        {
            "held out": ("wikigold",),
            "boundaries of another part train the detector": ("wnut17", "bionlp13cg", "bc5cdr"),
        },
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One dataset of a suite.

    Attributes:
        task: Its texts and types.
        group: Group of the suite that it belongs to.
    """

    task: Task
    group: str


def load_suite(
    name: str,
    data: str | Path,
    *,
    sets: Sequence[str] = (),
    texts: int = TEXTS,
) -> list[SuiteTask]:
    """Load the sets of a suite.

    A set with more texts is reduced to a random sample, the same in every run, whichever other sets
    are requested. Only types that at least three and at most four in five of its texts mention are
    scored.

    Args:
        name: ``domains`` or ``boundaries``.
        data: Folder that contains the suite's folder.
        sets: Names of the sets to load; empty for all.
        texts: Maximum texts per set.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the suite or a set is unknown, or ``texts`` is not positive.
    """
    if name not in SUITES:
        raise ValueError(f"suite {name!r} is not one of {', '.join(SUITES)}")
    if texts < 1:
        raise ValueError(f"texts must be at least 1, not {texts}")
    suite = SUITES[name]
    folder = Path(data) / suite.folder
    described = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    if unknown := set(sets) - described.keys():
        raise ValueError(
            f"suite {name} has no set {', '.join(sorted(unknown))}; it has {', '.join(described)}"
        )
    generator = np.random.default_rng(_SEED)
    found = []
    for each, names in described.items():
        typed = read_lines(_file_of(folder, each, suite.endings))
        if len(typed) > texts:  # sampled in any case: the generator has to advance
            drawn = np.sort(generator.choice(len(typed), texts, replace=False))
            typed = [typed[number] for number in drawn]
        if not sets or each in sets:
            task = scored_types(make_task(each, typed, queries_for(typed, names)))
            group = next(group for group, members in suite.groups.items() if each in members)
            found.append(SuiteTask(task, group))
    return found


def scored_types(task: Task) -> Task:
    """Restrict a task to the types that neither too few nor too many texts mention."""
    most = MAX_SHARE * len(task.texts)
    kept = {
        label: relevant
        for label, relevant in task.relevant.items()
        if MIN_TEXTS <= len(relevant) <= most
    }
    queries = {label: query for label, query in task.queries.items() if label in kept}
    return replace(task, queries=queries, relevant=kept)


def _file_of(folder: Path, name: str, endings: Sequence[str]) -> Path:
    for ending in endings:
        if (path := folder / f"{name}{ending}").is_file():
            return path
    raise FileNotFoundError(f"{folder} has no {' or '.join(name + each for each in endings)}")
