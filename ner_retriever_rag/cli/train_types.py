"""``ner-retriever train types``: tune the shipped encoder to labeled types."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ner_retriever_rag.cli.console import out, report_errors
from ner_retriever_rag.cli.demo import SAMPLE
from ner_retriever_rag.cli.sources import FileSource
from ner_retriever_rag.cli.train_options import Seed

if TYPE_CHECKING:
    from ner_retriever_rag.evaluation.formats import TypedText
    from ner_retriever_rag.training.own_types import TypesReport


def types(
    labelled: Annotated[
        Path, typer.Argument(help='JSON lines: {"text", "mentions": [{"start", "end", "type"}]}.')
    ],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to write the encoder into.")],
    names: Annotated[
        Path | None,
        typer.Option(
            help="JSON of descriptions by type; other types are left out.",
            show_default="the type as written",
        ),
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of the encoder to start from.", show_default="shipped"),
    ] = None,
    held_out: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the texts to evaluate on.")
    ] = 0.2,
    keep: Annotated[
        float, typer.Option(min=0.0, help="Weight of keeping other types unchanged.")
    ] = 100.0,
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over the mentions.")] = 10.0,
    seed: Seed = 0,
) -> None:
    """Teach an encoder your own types from labeled texts, in minutes."""
    with report_errors():
        texts = _read(labelled, names)
        from ner_retriever_rag.encoder.saved import check_folder
        from ner_retriever_rag.training.loop import LoopOptions
        from ner_retriever_rag.training.own_types import tune_types_recipe
        from ner_retriever_rag.training.tune import TuneOptions

        check_folder(out_folder)
        with as_file(files("ner_retriever_rag.cli") / SAMPLE) as sample:
            ordinary = [document.text for document in FileSource([sample])]
        tuned, report = tune_types_recipe(
            encoder,
            texts,
            ordinary,
            held_out=held_out,
            options=TuneOptions(epochs=epochs, keep=keep),
            loop=LoopOptions(steps=1, seed=seed),
        )
        tuned.save_pretrained(out_folder)
        _print(report)
        out.print(f"encoder written to {out_folder}")
        out.print(f"Try next: ner-retriever index PATH --index my-index --encoder {out_folder}")


def _read(labelled: Path, names: Path | None) -> list[TypedText]:
    """Read the texts, with descriptions for labels; raises errors before anything is loaded."""
    from ner_retriever_rag.evaluation.tasks import read_type_names
    from ner_retriever_rag.training.labelled import described, read_labelled

    return described(read_labelled(labelled), read_type_names(names) if names else None)


def _print(report: TypesReport) -> None:
    if report.held_out:
        out.print(
            f"R-Precision on {report.held_out:,} texts held out, spans given and spans found:"
        )
    table = Table("type", box=None, header_style="bold")
    for column in ("labelled", "held out", "given: before", "after", "found: before", "after"):
        table.add_column(column, justify="right")
    for each in report.types:
        counts = (f"{each.mentions:,}", f"{each.texts:,}" if report.held_out else "")
        table.add_row(each.description, *counts, *map(_figure, each.figures))
    if report.held_out:
        table.add_row("mean", "", "", *map(_figure, report.means()))
    out.print(table)
    out.print(
        f"kept: {report.answers_kept:.2f} of the ten best answers to each of {report.kinds} other "
        "kinds, not trained on"
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
