"""Report the results of a suite as tables, a chart and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ner_retriever_rag._imports import require
from ner_retriever_rag.evaluation.suite_judgments import JUDGMENT_POOL, JudgmentResult
from ner_retriever_rag.evaluation.suite_measure import (
    BINS,
    RELIABILITY_DEPTH,
    Reliability,
    SetResult,
)
from ner_retriever_rag.evaluation.suite_small_corpora import CORPUS_SIZE, SmallCorpora

LIKELY = 0.5  # minimum score of an apparent answer

_FIGURES = {
    "R-Precision": "r_precision",
    "P@10": "precision_at_10",
    "precision": "precision",
    "recall": "recall",
    "F1": "f1",
}
Groups = dict[str, list[str]]  # name of a group to its sets


def mean_rows(results: Sequence[SetResult]) -> tuple[list[str], list[list[str]]]:
    """Compute unweighted means over the sets of each group, and over all.

    Returns:
        The column names, and rows with as many cells.
    """
    rows = []
    for name, members in groups_of(results).items():
        for system in _systems(results):
            cells = [_cell(_mean(results, members, system, each)) for each in _FIGURES.values()]
            rows.append([f"{name} ({len(members)})", system, *cells])
    return ["sets", "system", *_FIGURES], rows


def groups_of(results: Sequence[SetResult]) -> Groups:
    """The sets of each group, and all sets as the group "all"."""
    groups: Groups = {}
    for each in results:
        for name in (each.group, "all"):
            members = groups.setdefault(name, [])
            if each.result.task not in members:
                members.append(each.result.task)
    return {name: groups[name] for name in sorted(groups, key=lambda name: name == "all")}


def markdown(
    results: Sequence[SetResult],
    draws: Sequence[SmallCorpora] = (),
    judged: Sequence[JudgmentResult] = (),
) -> str:
    """Markdown tables: means, metrics by set, mentions, reliability, absent types, and others."""
    columns, rows = mean_rows(results)
    parts = [
        "R-Precision, precision at 10, and precision, recall and F1 of `k=None`; averaged over a "
        "set's types, then over sets:",
        _table(columns, rows),
        "R-Precision by set:",
        _by_set(results, lambda each: each.result.macro("r_precision")),
        "F1 of `k=None` by set:",
        _by_set(results, lambda each: each.result.macro("f1")),
    ]
    found = [each for each in results if each.result.mentions]
    if found:
        seen = {each.result.task: each.result.mentions for each in found}
        cells = [
            [name, f"{m.exact:.3f}", f"{m.overlap:.3f}", f"{m.per_text:.2f}"]
            for name, m in seen.items()
            if m
        ]
        means = [np.mean([float(row[place]) for row in cells]) for place in (1, 2, 3)]
        cells.append(["mean", *(f"{mean:.3f}" for mean in means)])
        head = ["set", "exact recall", "overlap recall", "mentions per text"]
        parts += ["Detected mentions:", _table(head, cells)]
    parts += _reliability(results) + _absent(results)
    if draws:
        parts += [
            f"Small corpora: random draws of {CORPUS_SIZE} texts per set, means over the draws "
            "(R-Precision, F1):",
            _draws(draws),
        ]
    if judged:
        parts += [
            f"F1 of `k=None` after judging random documents among the top {JUDGMENT_POOL}; then of "
            "the documents not judged, and in brackets theirs before:",
            _judged(judged),
        ]
    return "\n\n".join(parts) + "\n"


def _reliability(results: Sequence[SetResult]) -> list[str]:
    """Share of relevant documents by score, pooled over the sets of each group."""
    rows = []
    for name, members in groups_of(results).items():
        for system in _systems(results):
            known = [
                each.reliability
                for each in results
                if each.result.task in members and each.result.system == system and each.reliability
            ]
            if known:
                total = Reliability.summed(known)
                shares = [
                    f"{right / number:.3f} of {number}" if number else ""
                    for number, right in zip(total.documents, total.right, strict=True)
                ]
                rows.append([name, system, *shares, f"{total.error():.3f}"])
    if not rows:
        return []
    bins = [f"{low:g} to {high:g}" for low, high in zip(BINS, BINS[1:], strict=False)]
    head = ["sets", "system", *bins, "calibration error"]
    return [
        f"Share of relevant documents by score, among the top {RELIABILITY_DEPTH} per type:",
        _table(head, rows),
    ]


def _absent(results: Sequence[SetResult]) -> list[str]:
    """Share of absent types whose best score stays below ``LIKELY``."""
    kinds = list(dict.fromkeys(kind for each in results for kind in each.absent))
    rows = []
    for name, members in groups_of(results).items():
        for system in _systems(results):
            some = [e for e in results if e.result.task in members and e.result.system == system]
            cells = []
            for kind in kinds:
                best = [score for each in some for score in each.absent.get(kind, {}).values()]
                low = sum(score < LIKELY for score in best)
                cells.append(f"{low / len(best):.3f} of {len(best)}" if best else "")
            if any(cells):
                rows.append([name, system, *cells])
    if not rows:
        return []
    return [
        f"Share of absent types whose best score is below {LIKELY}:",
        _table(["sets", "system", *kinds], rows),
    ]


def _draws(draws: Sequence[SmallCorpora]) -> str:
    systems = list(dict.fromkeys(each.system for each in draws))
    known = {(each.set, each.system): each for each in draws}
    rows = []
    for name in dict.fromkeys(each.set for each in draws):
        cells = [known[name, system] for system in systems]
        rows.append([name, *(f"{each.r_precision:.3f}, {each.f1:.3f}" for each in cells)])
    means = [
        np.nanmean([[e.r_precision, e.f1] for e in draws if e.system == system], axis=0)
        for system in systems
    ]
    rows.append(["mean", *(f"{r_precision:.3f}, {f1:.3f}" for r_precision, f1 in means)])
    return _table(["set", *systems], rows)


def _judged(judged: Sequence[JudgmentResult]) -> str:
    counts = list(dict.fromkeys(each.judgements for each in judged))
    known = {(each.set, each.judgements): each for each in judged}
    sets = list(dict.fromkeys(each.set for each in judged))
    rows = []
    for name, members in [*((each, [each]) for each in sets), ("mean", sets)]:
        cells = []
        for count in counts:
            some = [known[each, count] for each in members]
            f1, others, before = np.nanmean(
                [[each.f1, each.f1_of_others, each.f1_before] for each in some], axis=0
            )
            cells.append(f"{f1:.3f}; {others:.3f} ({before:.3f})" if count else f"{f1:.3f}")
        rows.append([name, *cells])
    return _table(["set", *(f"{count} judged" for count in counts)], rows)


def _by_set(results: Sequence[SetResult], figure: Callable[[SetResult], float | None]) -> str:
    known = {(each.result.task, each.result.system): figure(each) for each in results}
    systems = [
        system
        for system in _systems(results)
        if any(known[place] is not None for place in known if place[1] == system)
    ]
    rows = []
    groups = groups_of(results)
    for name, members in groups.items():
        if name != "all":
            rows += [[each, *(_cell(known.get((each, s))) for s in systems)] for each in members]
        means = [
            [value for each in members if (value := known.get((each, s))) is not None]
            for s in systems
        ]
        rows.append(
            [f"**{name}**", *(_cell(float(np.mean(some)) if some else None) for some in means)]
        )
    return _table(["set", *systems], rows)


def _mean(
    results: Sequence[SetResult], members: Sequence[str], system: str, figure: str
) -> float | None:
    values = [
        value
        for each in results
        if each.result.task in members
        and each.result.system == system
        and (value := each.result.macro(figure)) is not None
    ]
    return float(np.mean(values)) if values else None


def _systems(results: Sequence[SetResult]) -> list[str]:
    return list(dict.fromkeys(each.result.system for each in results))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def write_suite(
    name: str,
    command: str,
    results: Sequence[SetResult],
    draws: Sequence[SmallCorpora],
    judged: Sequence[JudgmentResult],
    folder: Path,
) -> None:
    """Write ``NAME.md``, ``NAME.json`` and ``NAME.png`` to a folder, created if missing.

    Args:
        name: Name of the suite.
        command: Command that was run, for the top of the page.
        results: Metrics of the sets.
        draws: Metrics of the small corpora.
        judged: Metrics after judgments.
        folder: Output folder.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = f"# Suite: {name}\n\n`{command}`\n\n![R-Precision by set, and reliability]({name}.png)"
    (folder / f"{name}.md").write_text(
        f"{head}\n\n{markdown(results, draws, judged)}", encoding="utf-8"
    )
    values = {
        "results": [asdict(each) for each in results],
        "draws": [asdict(each) for each in draws],
        "judged": [asdict(each) for each in judged],
    }
    (folder / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    plot(results, folder / f"{name}.png")


def plot(results: Sequence[SetResult], path: Path) -> None:
    """Draw R-Precision of every set as bars, next to a reliability diagram."""
    require("matplotlib", extra="eval").use("Agg")
    pyplot = require("matplotlib.pyplot", extra="eval")
    systems, groups = _systems(results), groups_of(results)
    sets = [each for name, members in groups.items() if name != "all" for each in members]
    known = {(e.result.task, e.result.system): e.result.macro("r_precision") for e in results}
    figure, (bars, curve) = pyplot.subplots(
        1, 2, figsize=(11, 1.5 + 0.13 * len(sets) * (1 + len(systems))), width_ratios=(3, 2)
    )
    height = 0.8 / len(systems)
    for place, system in enumerate(systems):
        at = [-row - place * height for row in range(len(sets))]
        values = [known.get((each, system)) or 0.0 for each in sets]
        bars.barh(at, values, height, label=system)
    bars.set_yticks([-row - 0.4 + height / 2 for row in range(len(sets))], sets)
    bars.set_xlim(0, 1)
    bars.set_xlabel("R-Precision")
    bars.margins(y=0.01)
    bars.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize="small")
    curve.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for system in systems:
        parts = [e.reliability for e in results if e.result.system == system and e.reliability]
        if parts:
            total = Reliability.summed(parts)
            points = [
                (said / number, right / number)
                for number, said, right in zip(
                    total.documents, total.said, total.right, strict=True
                )
                if number
            ]
            curve.plot(*zip(*points, strict=True), marker="o", label=system)
    curve.set_xlabel(f"score of a document, the best {RELIABILITY_DEPTH} of each type")
    curve.set_ylabel("share that is relevant")
    curve.set_xlim(0, 1)
    curve.set_ylim(0, 1)
    if curve.get_legend_handles_labels()[0]:
        curve.legend(loc="upper left", fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
