"""``ner-retriever index``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import Dtype, err, load_encoder, out, report_errors
from ner_retriever_rag.cli.sources import FileSource, Problem

_SHOWN = 20  # problems printed
_WHEN_STOPPED = "; written documents are kept, run the same command to resume"


def index(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Files or folders: .txt, .md, .jsonl, .csv (also .gz, .bz2, .xz), .pdf, .docx, "
            ".html, .eml."
        ),
    ],
    folder: Annotated[
        str,
        typer.Option(
            "--index", help="Folder of the index, created if missing, or the address of a server."
        ),
    ],
    text_field: Annotated[str, typer.Option(help="Field or column that holds the text.")] = "text",
    id_field: Annotated[
        str | None, typer.Option(help="Field or column that holds the id.", show_default="id")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many documents.", show_default="all")
    ] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Follow links that lead out of a folder.")
    ] = False,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of a saved encoder.", show_default="the shipped one"),
    ] = None,
    dtype: Annotated[
        Dtype,
        typer.Option(
            help="Data type the backbone computes in; the index remembers it. bfloat16 is faster "
            "where the processor supports it (AVX512-BF16, AMX, most GPUs).",
        ),
    ] = Dtype.auto,
) -> None:
    """Index documents by the entities they mention.

    Documents already in the index are skipped if unchanged and replaced if not, so an interrupted
    run resumes where it stopped. Whatever cannot be read is reported and skipped.
    """
    with report_errors(_WHEN_STOPPED):
        from ner_retriever_rag.index.entity_index import EntityIndex

        source = FileSource(paths, text_field, id_field, limit, follow_links)
        if not source.count():
            list(source)  # read again, to collect the problems
            report_skipped(source.problems)
            raise ValueError("none of the paths holds a document that can be read")
        with EntityIndex(folder, encoder=load_encoder(encoder, dtype)) as entity_index:
            report = entity_index.add(source, errors="skip", progress=True)
            held = entity_index.count()
        failed = [Problem(str(each.document), each.reason) for each in report.failed]
        report_skipped([*source.problems, *failed])
        out.print(
            f"{report.added} added, {report.replaced} replaced, {report.unchanged} unchanged, "
            f"{report.mentions} mentions; {folder} now holds {held} documents"
        )


def report_skipped(problems: list[Problem]) -> None:
    """Print what was skipped and why."""
    for problem in problems[:_SHOWN]:
        message = one_line(f"{problem.where}: {problem.why}")
        err.print(Text.assemble(("skipped ", "yellow"), message))
    if len(problems) > _SHOWN:
        err.print(f"... and {len(problems) - _SHOWN:,} more")
