"""Compare systems side by side on tasks: metrics, Markdown tables, JSON, charts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ner_retriever_rag._imports import require
from ner_retriever_rag.evaluation.metrics import (
    BoundaryMetrics,
    TypeMetrics,
    boundary_metrics,
    macro,
    type_metrics,
)

if TYPE_CHECKING:
    from ner_retriever_rag.evaluation.systems import Ranking, System
    from ner_retriever_rag.evaluation.tasks import Task


@dataclass(frozen=True, slots=True)
class Result:
    """Metrics of one system on one task.

    Attributes:
        task: Name of the task.
        system: Name of the system.
        texts: Number of texts in the corpus.
        types: Metrics of each type, by its description.
        mentions: Metrics of the mentions found; None if the system detects none.
    """

    task: str
    system: str
    texts: int
    types: dict[str, TypeMetrics]
    mentions: BoundaryMetrics | None = None

    def macro(self, figure: str) -> float | None:
        """The unweighted mean of a metric over types."""
        return macro(self.types.values(), figure)


def measure(system: System, task: Task) -> Result:
    """Rank a task's texts with a system and score the ranking."""
    return score_ranking(system.name, task, system.rank(task))


def score_ranking(name: str, task: Task, ranking: Ranking) -> Result:
    """Score a system's ranking of a task's texts."""
    types = {}
    for row, (label, query) in enumerate(task.queries.items()):
        selected = None if ranking.selected is None else ranking.selected[row]
        types[query] = type_metrics(ranking.scores[row], task.relevant[label], selected)
    mentions = None
    if ranking.spans is not None:
        mentions = boundary_metrics(task.spans, ranking.spans)
    return Result(task.name, name, len(task.texts), types, mentions)


_COLUMNS = {
    "R-Precision": "r_precision",
    "AP": "average_precision",
    "precision": "precision",
    "recall": "recall",
    "F1": "f1",
}


def markdown(results: Sequence[Result]) -> str:
    """Markdown tables of all results: systems by task, mentions found, R-Precision by type."""
    lines = [
        f"| task | system | {' | '.join(_COLUMNS)} |",
        f"|---|---|{'---|' * len(_COLUMNS)}",
    ]
    for result in results:
        cells = " | ".join(_cell(result.macro(name)) for name in _COLUMNS.values())
        lines.append(f"| {result.task} | {result.system} | {cells} |")
    found = [result for result in results if result.mentions]
    if found:
        lines += ["", "| task | mentions found exactly | overlapped | mentions a text |"]
        lines.append("|---|---|---|---|")
    for result in found:
        assert result.mentions
        figures = result.mentions
        cells = f"{figures.exact:.3f} | {figures.overlap:.3f} | {figures.per_text:.2f}"
        lines.append(f"| {result.task} | {cells} |")
    for task in dict.fromkeys(result.task for result in results):
        lines += ["", f"R-Precision by type, {task}:", "", *_type_table(results, task)]
    return "\n".join(lines) + "\n"


def _type_table(results: Sequence[Result], task: str) -> list[str]:
    shown = [result for result in results if result.task == task]
    lines = [f"| type | texts | {' | '.join(result.system for result in shown)} |"]
    lines.append(f"|---|---|{'---|' * len(shown)}")
    for query, figures in shown[0].types.items():
        cells = " | ".join(_cell(result.types[query].r_precision) for result in shown)
        lines.append(f"| {query} | {figures.relevant} | {cells} |")
    return lines


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def write(results: Sequence[Result], folder: str | Path) -> None:
    """Write ``evaluation.md``, ``evaluation.json`` and a ``.png`` chart per task to a folder.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.md").write_text(markdown(results), encoding="utf-8")
    rows = json.dumps([asdict(result) for result in results], indent=1)
    (folder / "evaluation.json").write_text(rows, encoding="utf-8")
    for task in dict.fromkeys(result.task for result in results):
        shown = [result for result in results if result.task == task]
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in task)
        chart(shown, folder / f"{name}.png")


def chart(results: Sequence[Result], path: Path) -> None:
    """Draw the R-Precision of every type as bars, one color per system."""
    require("matplotlib", extra="eval").use("Agg")
    pyplot = require("matplotlib.pyplot", extra="eval")
    first = results[0]
    queries = sorted(first.types, key=lambda query: first.types[query].r_precision)
    height = 0.8 / len(results)
    figure, axis = pyplot.subplots(figsize=(8, 1.5 + 0.28 * len(queries) * (1 + len(results) / 4)))
    for i, result in enumerate(results):
        at = [row - i * height for row in range(len(queries))]
        axis.barh(at, [result.types[q].r_precision for q in queries], height, label=result.system)
    axis.set_yticks([row - 0.4 + height / 2 for row in range(len(queries))], queries)
    axis.set_xlim(0, 1)
    axis.set_xlabel("R-Precision")
    axis.set_title(first.task)
    axis.legend(loc="lower right", fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
