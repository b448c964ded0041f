"""``ner-retriever estimate``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    Where,
    open_index,
    out,
    parse_where,
    print_json,
    report_errors,
)
from ner_retriever_rag.cli.query_options import AllOfTypes, AnyOfTypes, NotTypes, Types, build_query


def estimate(
    folder: IndexLocation,
    wanted: Types = None,
    any_of: AnyOfTypes = None,
    all_of: AllOfTypes = None,
    none_of: NotTypes = None,
    where: Where = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, with the underlying lists.")
    ] = False,
    encoder: SavedEncoder = None,
) -> None:
    """Estimate the numbers of documents and distinct entities of a type, with 90% intervals."""
    with report_errors():
        query = build_query(wanted, any_of, all_of, none_of, None, None)
        found = open_index(folder, encoder).estimate(query, where=parse_where(where))
        if as_json:
            print_json([asdict(found)])
            return
        out.print(f"documents  {found.documents}")
        out.print(f"entities   {found.entities}")
        names = " · ".join(each.name for each in found.entity_list[:10])
        if names:
            out.print(one_line(f"such as    {names}"))
