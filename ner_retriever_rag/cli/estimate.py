"""``ner-retriever estimate``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.asked import AllOfTypes, AnyOfTypes, NotTypes, Types, query_of
from ner_retriever_rag.cli.console import (
    IndexPlace,
    SavedEncoder,
    Where,
    errors_in_one_line,
    open_index,
    out,
    parse_where,
    print_json,
)


def estimate(
    folder: IndexPlace,
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
    """Estimate how many documents and distinct entities are of a type, with 90% intervals."""
    with errors_in_one_line():
        query = query_of(wanted, any_of, all_of, none_of, None, None)
        found = open_index(folder, encoder).estimate(query, where=parse_where(where))
        if as_json:
            print_json([asdict(found)])
            return
        out.print(f"documents  {found.documents}")
        out.print(f"entities   {found.entities}")
        names = " · ".join(each.name for each in found.entity_list[:10])
        if names:
            out.print(one_line(f"such as    {names}"))
