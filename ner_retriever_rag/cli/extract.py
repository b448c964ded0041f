"""``ner-retriever extract``."""

from __future__ import annotations

from typing import Annotated

import typer
from tqdm import tqdm

from ner_retriever_rag.cli.console import (
    IndexPlace,
    SavedEncoder,
    Where,
    err,
    errors_in_one_line,
    open_index,
    parse_where,
    print_json,
)
from ner_retriever_rag.cli.rows import Raw, Row, TableFile, check_format, write_rows
from ner_retriever_rag.schema import MentionMatch

COLUMNS = {"type": str, "text": str, "doc_id": str, "start": int, "end": int, "score": float}


def extract(
    folder: IndexPlace,
    types: Annotated[
        list[str], typer.Option("--type", help="Type description; give it once for each type.")
    ],
    to: TableFile = None,
    raw: Raw = False,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Least score of a mention.")
    ] = 0.5,
    where: Where = None,
    all_types: Annotated[
        bool, typer.Option(help="A mention under every type that passes, not only the best.")
    ] = False,
    overlapping: Annotated[
        bool, typer.Option(help="Mentions that overlap a better one of their type, too.")
    ] = False,
    encoder: SavedEncoder = None,
) -> None:
    """Write out every mention of some types: type, text, document, place and score."""
    with errors_in_one_line():
        if to is not None:
            check_format(to)
        matches = open_index(folder, encoder).extract(
            types,
            score_threshold=threshold,
            where=parse_where(where),
            all_types=all_types,
            overlapping=overlapping,
        )
        if to is None:
            print_json(map(_row, matches))
            return
        count = write_rows(tqdm(map(_row, matches), unit="row", disable=None), to, COLUMNS, raw=raw)
        err.print(f"{count:,} rows in {to}")


def _row(match: MentionMatch) -> Row:
    return {name: getattr(match, name) for name in COLUMNS}
