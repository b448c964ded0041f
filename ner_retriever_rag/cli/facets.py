"""``ner-retriever facets``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    TaxonomyFile,
    Where,
    open_index,
    out,
    parse_where,
    print_json,
    read_taxonomy,
    report_errors,
)


def facets(
    folder: IndexLocation,
    n: Annotated[int, typer.Option("-n", min=1, help="Maximum number of types.")] = 30,
    where: Where = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    taxonomy: TaxonomyFile = None,
    encoder: SavedEncoder = None,
) -> None:
    """List the entity types that the documents mention, with counts and examples."""
    with report_errors():
        found = open_index(folder, encoder).facets(
            n, where=parse_where(where), taxonomy=read_taxonomy(taxonomy)
        )
        if as_json:
            rows = map(asdict, found)
            print_json(row if row["path"] else _without_path(row) for row in rows)
            return
        table = Table("kind", box=None, header_style="bold")
        table.add_column("mentions", justify="right")
        table.add_column("documents", justify="right")
        table.add_column("examples", style="green")
        for facet in found:
            counts = f"{facet.mentions:,}", f"{facet.documents:,}"
            table.add_row(
                " > ".join(facet.path) or facet.type, *counts, one_line(" · ".join(facet.examples))
            )
        out.print(table)


def _without_path(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path"}
