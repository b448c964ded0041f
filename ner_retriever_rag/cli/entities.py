"""``ner-retriever entities``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import (
    IndexFolder,
    SavedEncoder,
    Where,
    err,
    errors_in_one_line,
    open_index,
    out,
    parse_where,
    print_json,
)
from ner_retriever_rag.cli.rows import Raw, TableFile, check_format, write_rows

COLUMNS = {"name": str, "names": list, "score": float, "mentions": int, "documents": int}
_NAMES = 4  # other spellings shown


def entities(
    folder: IndexFolder,
    wanted: Annotated[str, typer.Argument(metavar="TYPE", help='Type description: "river".')],
    to: TableFile = None,
    raw: Raw = False,
    k: Annotated[int, typer.Option("-k", min=1, help="How many entities at most.")] = 50,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Least score of an entity.", show_default="0.5"),
    ] = None,
    where: Where = None,
    about: Annotated[
        str | None, typer.Option(help='A topic, that goes on after the type: "found in Argentina".')
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    encoder: SavedEncoder = None,
) -> None:
    """List the entities of a type, each once, with how often and where it is mentioned."""
    with errors_in_one_line():
        if to is not None:
            check_format(to)
        found = open_index(folder, encoder).entities(
            wanted, k, where=parse_where(where), score_threshold=threshold, about=about
        )
        rows = [{name: getattr(entity, name) for name in COLUMNS} for entity in found]
        if to is not None:
            count = write_rows(rows, to, COLUMNS, raw=raw)
            err.print(f"{count:,} rows in {to}")
        elif as_json:
            print_json(rows)
        else:
            table = Table("score", box=None, header_style="bold")
            table.add_column("name", style="green")
            table.add_column("mentions", justify="right")
            table.add_column("documents", justify="right")
            table.add_column("also written")
            for entity in found:
                counts = f"{entity.mentions:,}", f"{entity.documents:,}"
                others = [name for name in entity.names if name != entity.name][:_NAMES]
                also = one_line(" · ".join(others))
                table.add_row(f"{entity.score:.2f}", one_line(entity.name), *counts, also)
            out.print(table if found else "nothing found")
