"""``ner-retriever eval``: compare systems side by side on tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ner_retriever_rag.cli.console import Dtype, err, load_encoder, out, report_errors
from ner_retriever_rag.cli.eval_boundaries import evaluate_boundaries
from ner_retriever_rag.cli.eval_suite import ABLATIONS, evaluate_suite
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM

if TYPE_CHECKING:
    from ner_retriever_rag.evaluation.report import Result
    from ner_retriever_rag.evaluation.systems import System

# Ablations without names, likewise.
_NAMELESS: dict[str, tuple[bool, int | None, str]] = {
    "no-names": (True, None, ", no names"),
    "plain": (False, 0, ", plain"),
}


def evaluate(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            help="fewnerd-test, fewnerd-dev, fewnerd-pool, a file of typed sentences, "
            "hub:NAME[:CONFIG[:SPLIT]] or neretrieve:CORPUS:LABELS."
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="gold or detected (with :no-sharpen, :no-rerank, :no-names, or :plain for none "
            "of the three), bm25, sentence[=MODEL], mention[=MODEL]; may be repeated. In a suite "
            "also fusions of two, such as sentence+bm25.",
            show_default="gold and detected; in a suite the baselines too",
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="Evaluate a suite of datasets instead of tasks: domains or boundaries."),
    ] = None,
    boundaries: Annotated[
        bool,
        typer.Option(
            "--boundaries",
            help="Evaluate the detector, on pages of many layouts and, with --data, on datasets "
            "with gold mentions.",
        ),
    ] = False,
    sets: Annotated[
        str | None, typer.Option(help="Sets of the suite, comma-separated.", show_default="all")
    ] = None,
    texts: Annotated[int, typer.Option(help="Maximum texts per set of the suite.")] = 1_500,
    draws: Annotated[
        int, typer.Option(help="Number of corpora of 40 texts to sample from each set.")
    ] = 0,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also measure the gain from judgments in the suite.")
    ] = False,
    cache: Annotated[
        Path, typer.Option(help="Folder that caches the encodings of a suite's texts.")
    ] = Path(".cache/evaluation"),
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with fewnerd/ for the fewnerd tasks, domains/ for that suite."),
    ] = None,
    names: Annotated[Path | None, typer.Option(help="JSON of descriptions by type label.")] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="Folder of a saved encoder.", show_default="shipped")
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="Data type the backbone computes in.")] = Dtype.auto,
    out_folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for evaluation.md, or SUITE.md, the same as JSON, and charts."
        ),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Allow code that comes with a model to run.")
    ] = False,
) -> None:
    """Evaluate retrieval by type: R-Precision, AP, and precision, recall, F1 at the threshold."""
    from ner_retriever_rag.evaluation.report import measure, write
    from ner_retriever_rag.evaluation.tasks import load_task

    with report_errors():
        if boundaries:
            if suite is not None or tasks:
                raise ValueError("give --boundaries without tasks and without --suite")
            asked = [each.strip() for each in sets.split(",")] if sets else []
            evaluate_boundaries(data, asked, texts, load_encoder(encoder, dtype))
            return
        if (suite is None) == (not tasks):
            raise ValueError("give either tasks or a suite (--suite), not both")
        if suite is not None:
            asked = [each.strip() for each in sets.split(",")] if sets else []
            evaluate_suite(
                suite,
                data,
                asked,
                texts,
                system,
                load_encoder(encoder, dtype),
                cache,
                out_folder,
                draws,
                judge,
                trust_remote_code,
            )
            return
        assert tasks
        systems = _systems(system or ["gold", "detected"], encoder, dtype, trust_remote_code)
        loaded = [load_task(task, data, names) for task in tasks]
        results: list[Result] = []
        for task in loaded:
            for each in systems:
                err.print(f"{task.name}: {each.name}, {len(task.texts):,} texts")
                results.append(measure(each, task))
                if out_folder:  # keeps the results so far if a later one fails
                    write(results, out_folder)
        out.print(_table(results))


def _systems(
    specs: list[str], folder: Path | None, dtype: Dtype, trust_remote_code: bool
) -> list[System]:
    from ner_retriever_rag.evaluation.systems import Bm25, ByEmbedding, ByType

    known, without_names = load_encoder(folder, dtype), load_encoder(folder, dtype, names=False)
    made: list[System] = []
    for spec in specs:
        kind, _, model = spec.partition("=")
        kind, _, without = kind.partition(":")
        if kind in {"gold", "detected"} and not model and without in ABLATIONS | _NAMELESS:
            sharpen, rerank, suffix = (ABLATIONS | _NAMELESS)[without]
            made.append(
                ByType(
                    without_names if without in _NAMELESS else known,
                    detected=kind == "detected",
                    sharpen=sharpen,
                    rerank=rerank,
                    name=f"ours, {kind} mentions{suffix}",
                )
            )
        elif kind == "bm25" and not model:
            made.append(Bm25())
        elif kind in {"sentence", "mention"}:
            made.append(
                ByEmbedding(
                    model or MINILM,
                    of_mentions=kind == "mention",
                    trust_remote_code=trust_remote_code,
                )
            )
        else:
            raise ValueError(
                f"system {spec!r} is not gold or detected (with :plain, :no-sharpen, :no-rerank or "
                ":no-names), bm25, sentence[=MODEL] or mention[=MODEL]"
            )
    return made


def _table(results: list[Result]) -> Table:
    table = Table("task", "system", box=None, header_style="bold")
    for column in ("R-Prec", "AP", "P", "R", "F1", "exact spans", "per text"):
        table.add_column(column, justify="right")
    for result in results:
        names = ("r_precision", "average_precision", "precision", "recall", "f1")
        figures = [result.macro(name) for name in names]
        if result.mentions:
            figures += [result.mentions.exact, result.mentions.per_text]
        cells = ["" if figure is None else f"{figure:.3f}" for figure in figures]
        table.add_row(result.task, result.system, *cells)
    return table
