"""``ner-retriever entities``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    Where,
    err,
    open_index,
    out,
    parse_where,
    print_json,
    report_errors,
)
from ner_retriever_rag.cli.query_options import (
    About,
    AllOfTypes,
    AnyOfTypes,
    LikeNames,
    NotTypes,
    Types,
    UnlikeNames,
    build_query,
    result_limit,
)
from ner_retriever_rag.cli.rows import Raw, TableFile, check_format, write_rows
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from ner_retriever_rag.index.entities import Entity

COLUMNS = {"name": str, "names": list, "score": float, "mentions": int, "documents": list}
_K = 50
_NAMES = 4  # other spellings shown


def entities(
    folder: IndexLocation,
    wanted: Types = None,
    any_of: AnyOfTypes = None,
    all_of: AllOfTypes = None,
    none_of: NotTypes = None,
    like: LikeNames = None,
    unlike: UnlikeNames = None,
    to: TableFile = None,
    raw: Raw = False,
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="Maximum number of entities.", show_default="50")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Return all entities above the threshold.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Minimum score of an entity.",
            show_default=f"none; {DEFAULT_THRESHOLD} with --all or --out",
        ),
    ] = None,
    where: Where = None,
    about: About = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    encoder: SavedEncoder = None,
) -> None:
    """List the distinct entities of a type, with how often and where each is mentioned."""
    with report_errors():
        most = result_limit(k, everything, _K)
        if to is not None:
            check_format(to)
        query = build_query(wanted, any_of, all_of, none_of, like, unlike)
        index = open_index(folder, encoder)
        options: dict[str, Any] = {"where": parse_where(where), "about": about}
        if to is not None and threshold is None:
            threshold = DEFAULT_THRESHOLD
        found = index.entities(query, most, score_threshold=threshold, **options)
        rows = [{name: getattr(entity, name) for name in COLUMNS} for entity in found]
        if to is not None:
            count = write_rows(rows, to, COLUMNS, raw=raw)
            err.print(f"{count:,} rows in {to}")
            if not found and (best := index.entities(query, 1, **options)):
                err.print(
                    f"no entity of that type at {threshold:.2f} or above (best: "
                    f"{one_line(best[0].name)}, {best[0].score:.2f}); --threshold sets the bound"
                )
        elif as_json:
            print_json(rows)
        else:
            out.print(_table(found) if found else "nothing found")


def _table(found: list[Entity]) -> Table:
    table = Table("score", box=None, header_style="bold")
    table.add_column("name", style="green")
    table.add_column("mentions", justify="right")
    table.add_column("documents", justify="right")
    table.add_column("also written")
    for entity in found:
        others = [name for name in entity.names if name != entity.name][:_NAMES]
        table.add_row(
            f"{entity.score:.2f}",
            one_line(entity.name),
            f"{entity.mentions:,}",
            f"{len(entity.documents):,}",
            one_line(" · ".join(others)),
        )
    return table
