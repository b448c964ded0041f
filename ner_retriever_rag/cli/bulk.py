"""``ner-retriever bulk``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ner_retriever_rag.cli.console import out, report_errors
from ner_retriever_rag.cli.index import report_skipped
from ner_retriever_rag.cli.sources import Problem

_WHEN_STOPPED = "; written documents are kept, run the same command to resume"


def bulk(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Input of one format for Ray Data (.parquet, .csv or JSON lines): files, folders, "
            "s3://."
        ),
    ],
    servers: Annotated[
        list[str],
        typer.Option("--server", help="Address of a Chroma server; repeat for shards, in order."),
    ],
    collection: Annotated[
        str | None, typer.Option(help="Name of the index on each server.", show_default="standard")
    ] = None,
    text_field: Annotated[str, typer.Option(help="Column that holds the text.")] = "text",
    id_field: Annotated[
        str | None,
        typer.Option(help="Column that holds the id.", show_default="hash of the text"),
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of a saved encoder.", show_default="the shipped one"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Encoder processes.", show_default="one per GPU or core"),
    ] = None,
    max_batch: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum records per Chroma call (hosted Chroma: 300)."),
    ] = None,
) -> None:
    """Index files on a Ray cluster, into Chroma servers that together form one index.

    Without a cluster, Ray runs on this machine. Documents already in the index are skipped if
    unchanged and replaced if not, so an interrupted run resumes where it stopped.
    """
    with report_errors(_WHEN_STOPPED):
        from ner_retriever_rag.index.bulk import Columns, bulk_index

        report = bulk_index(
            paths,
            servers,
            collection=collection,
            encoder=encoder,
            columns=Columns(text_field, id_field),
            workers=workers,
            max_batch=max_batch,
        )
        report_skipped([Problem(str(each.document), each.reason) for each in report.failed])
        out.print(
            f"{report.added} added, {report.replaced} replaced, {report.unchanged} unchanged, "
            f"{report.mentions} mentions"
        )
