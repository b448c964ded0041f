"""``ner-retriever extract``."""

from __future__ import annotations

from typing import Annotated

import typer
from tqdm import tqdm

from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    TaxonomyFile,
    Where,
    err,
    open_index,
    parse_where,
    print_json,
    read_taxonomy,
    report_errors,
)
from ner_retriever_rag.cli.rows import Raw, Row, TableFile, check_format, write_rows
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.queries.taxonomy import Taxonomy
from ner_retriever_rag.schema import MentionMatch

COLUMNS = {"type": str, "text": str, "doc_id": str, "start": int, "end": int, "score": float}


def extract(
    folder: IndexLocation,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Type description; may be repeated."),
    ] = None,
    taxonomy: TaxonomyFile = None,
    to: TableFile = None,
    raw: Raw = False,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Minimum score of a mention.")
    ] = DEFAULT_THRESHOLD,
    where: Where = None,
    all_types: Annotated[
        bool, typer.Option(help="List a mention under every type that passes, not only the best.")
    ] = False,
    overlapping: Annotated[
        bool, typer.Option(help="Also list mentions that overlap a better one of their type.")
    ] = False,
    encoder: SavedEncoder = None,
) -> None:
    """Extract every mention of some types: type, text, document, offsets and score.

    With a taxonomy, each row also has the path from the root down to its type.
    """
    with report_errors():
        if bool(types) == bool(taxonomy):
            raise ValueError("give either --type, once per type, or --taxonomy, not both")
        labels = read_taxonomy(taxonomy)
        columns = COLUMNS if labels is None else {**COLUMNS, "path": list}
        if to is not None:
            check_format(to)
        matches = open_index(folder, encoder).extract(
            types or labels or (),
            score_threshold=threshold,
            where=parse_where(where),
            all_types=all_types,
            overlapping=overlapping,
        )
        rows = (_row(match, labels) for match in matches)
        if to is None:
            print_json(rows)
            return
        count = write_rows(tqdm(rows, unit="row", disable=None), to, columns, raw=raw)
        err.print(f"{count:,} rows in {to}")


def _row(match: MentionMatch, taxonomy: Taxonomy | None) -> Row:
    row: Row = {name: getattr(match, name) for name in COLUMNS}
    return row if taxonomy is None else {**row, "path": list(taxonomy.path(match.type))}
