"""``ner-retriever stats``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ner_retriever_rag.commands.console import errors_in_one_line, open_index, out


def stats(
    folder: Annotated[Path, typer.Argument(help="Folder of the index.")],
    encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of the encoder the index was made with.", show_default="shipped"),
    ] = None,
) -> None:
    """Say what an index holds."""
    with errors_in_one_line():
        index = open_index(folder, encoder)
        documents, mentions = index.count(), index.mention_count()
        disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        table = Table(show_header=False, box=None)
        table.add_row("documents", f"{documents:,}")
        table.add_row("mentions", f"{mentions:,}")
        table.add_row("mentions a document", f"{mentions / max(documents, 1):.1f}")
        table.add_row("dimension", str(index.encoder.dim))
        table.add_row("encoder", index.encoder.description)
        table.add_row("fingerprint", index.encoder.fingerprint)
        table.add_row("on disk", f"{disk / 1e6:,.1f} MB")
        out.print(table)
