"""Write rows to a file: .csv, .jsonl or .parquet."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ner_retriever_rag._imports import require
from ner_retriever_rag.schema import MentionMatch

FIELDS = ("type", "text", "doc_id", "start", "end", "score")
_GROUP = 10_000  # rows of a parquet row group

Row = dict[str, Any]


def to_row(match: MentionMatch) -> Row:
    """A match as a row."""
    return {name: getattr(match, name) for name in FIELDS}


def check_format(path: Path) -> None:
    """Check that rows can be written to a file of this name.

    Raises:
        ValueError: If the ending is unknown.
        ImportError: If it needs a library that is not installed.
        OSError: If its folder is not there.
    """
    if path.suffix not in _WRITERS:
        raise ValueError(f"--out must end in {', '.join(_WRITERS)}, not {path.suffix or path.name}")
    if path.suffix == ".parquet":
        require("pyarrow.parquet", extra="parquet")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"--out: the folder {path.absolute().parent} does not exist")


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Write rows as they come; the file appears under its name when all are written.

    Returns:
        How many there were.
    """
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    part = path.with_name(path.name + ".part")
    try:
        _WRITERS[path.suffix](counted(), part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write_csv(rows: Iterator[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def _write_jsonl(rows: Iterator[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_parquet(rows: Iterator[Row], path: Path) -> None:
    arrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    kinds = (arrow.string(), arrow.string(), arrow.string(), arrow.int64(), arrow.int64())
    schema = arrow.schema(list(zip(FIELDS, (*kinds, arrow.float64()), strict=True)))
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _GROUP)):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


_WRITERS: dict[str, Callable[[Iterator[Row], Path], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
