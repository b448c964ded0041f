"""``ner-retriever eval --suite``: compare systems side by side on the sets of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from ner_retriever_rag.cli.console import err, out
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.evaluation.suite_judgments import JudgmentResult
    from ner_retriever_rag.evaluation.suite_measure import SetResult
    from ner_retriever_rag.evaluation.suite_small_corpora import SmallCorpora
    from ner_retriever_rag.evaluation.systems import System

# Ablations of our system: sharpen, rerank, and the suffix in reports.
ABLATIONS: dict[str, tuple[bool, int | None, str]] = {
    "": (True, None, ""),
    "no-sharpen": (False, None, ", not sharpened"),
    "no-rerank": (True, 0, ", not reranked"),
}
_ALL = (
    "gold", "detected", "detected:no-sharpen", "detected:no-rerank",
    "sentence", "bm25", "sentence+bm25", "detected+sentence",
)  # fmt: skip


def evaluate_suite(
    suite: str,
    data: Path | None,
    sets: Sequence[str],
    texts: int,
    specs: Sequence[str] | None,
    encoder: TypeAwareEncoder,
    cache: Path,
    out_folder: Path | None,
    draws: int,
    judge: bool,
    trust_remote_code: bool,
) -> None:
    """Evaluate a suite, print and write its tables; see ``evaluate`` for the arguments.

    Raises:
        ValueError: If the suite, a set or a system is unknown, or no data folder is given.
        FileNotFoundError: If a file of the suite is missing.
    """
    from ner_retriever_rag.evaluation.suite_judgments import measure_judgments
    from ner_retriever_rag.evaluation.suite_measure import measure_suite
    from ner_retriever_rag.evaluation.suite_report import mean_rows, write_suite
    from ner_retriever_rag.evaluation.suite_small_corpora import measure_small_corpora
    from ner_retriever_rag.evaluation.suite_systems import CachedSystem
    from ner_retriever_rag.evaluation.suites import load_suite

    if data is None:
        raise ValueError(f"suite {suite} needs data (--data), the folder that contains its folder")
    tasks = load_suite(suite, data, sets=sets, texts=texts)
    wanted = list(specs or _ALL)
    systems = _systems(wanted, encoder, cache, trust_remote_code)
    fusions = {
        " + ".join(systems[part].name for part in spec.split("+")): spec.split("+")
        for spec in wanted
        if "+" in spec
    }

    command = " ".join(
        [f"ner-retriever eval --suite {suite} --data {data} --texts {texts} --draws {draws}"]
        + ["--judge"] * judge
        + [f"--sets {','.join(sets)}"] * bool(sets)
        + [f"--system {spec}" for spec in wanted]
    )

    def say(result: SetResult) -> None:
        figure = result.result.macro("r_precision")
        err.print(f"{result.result.task}: {result.result.system}, R-Precision {figure:.3f}")

    results: list[SetResult] = []
    small: list[SmallCorpora] = []
    judged: list[JudgmentResult] = []
    for each in tasks:
        results += measure_suite([each], systems, fusions, say)
        for system in systems.values():
            if draws and isinstance(system, CachedSystem) and system.detected:
                small.append(measure_small_corpora(system, each.task, draws))
        first = systems.get("detected")
        if judge and isinstance(first, CachedSystem):
            judged += measure_judgments(first, each.task)
        if out_folder:  # keeps the results so far if a later one fails
            write_suite(suite, command, results, small, judged, out_folder)
    table = Table(box=None, header_style="bold")
    columns, rows = mean_rows(results)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number > 1 else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _systems(
    specs: Sequence[str], encoder: TypeAwareEncoder, cache: Path, trust_remote_code: bool
) -> dict[str, System]:
    from ner_retriever_rag.evaluation.suite_systems import CachedSystem, EncodedTasks
    from ner_retriever_rag.evaluation.systems import Bm25, ByEmbedding

    encoded = EncodedTasks(encoder, cache)
    made: dict[str, System] = {}
    for spec in dict.fromkeys(part for each in specs for part in each.split("+")):
        kind, _, model = spec.partition("=")
        mentions, _, without = spec.partition(":")
        if mentions in {"gold", "detected"} and without in ABLATIONS:
            sharpen, rerank, suffix = ABLATIONS[without]
            made[spec] = CachedSystem(
                encoded,
                detected=mentions == "detected",
                sharpen=sharpen,
                rerank=rerank,
                name=f"ours, {mentions}{suffix}",
            )
        elif spec == "bm25":
            made[spec] = Bm25()
        elif kind == "sentence":
            made[spec] = ByEmbedding(
                model or MINILM, trust_remote_code=trust_remote_code, cache=cache
            )
        else:
            raise ValueError(
                f"system {spec!r} of a suite is not gold or detected (with :no-sharpen or "
                ":no-rerank), bm25 or sentence[=MODEL], or two of them joined by +"
            )
    return made
