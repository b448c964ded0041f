"""``ner-retriever extract``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from ner_retriever_rag.cli.console import (
    IndexFolder,
    SavedEncoder,
    Where,
    err,
    errors_in_one_line,
    open_index,
    out,
    parse_where,
)
from ner_retriever_rag.cli.rows import check_format, to_row, write_rows


def extract(
    folder: IndexFolder,
    types: Annotated[
        list[str], typer.Option("--type", help="Type description; give it once for each type.")
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write: .csv, .jsonl or .parquet.",
            show_default="JSON lines on the terminal",
        ),
    ] = None,
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
            for match in matches:
                out.print(json.dumps(to_row(match), ensure_ascii=False), markup=False)
            return
        count = write_rows(tqdm(map(to_row, matches), unit="row"), to)
        err.print(f"{count:,} rows in {to}")
