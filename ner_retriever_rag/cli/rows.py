"""Write rows to a .csv, .jsonl or .parquet file, which appears only once complete."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ner_retriever_rag._imports import require
from ner_retriever_rag.cli.console import as_json

_ROW_GROUP_SIZE = 10_000  # rows per Parquet row group
# Prefixes that a spreadsheet takes for the start of a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

TableFile = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="File to write: .csv, .jsonl or .parquet.",
        show_default="the terminal",
    ),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="No apostrophe before .csv cells that a spreadsheet would take for formulas."
    ),
]
Row = dict[str, Any]
Columns = Mapping[str, type]  # str, int, float, or list for a list of strings


def check_folder(path: Path, option: str) -> None:
    """Check that a file can be written to a path.

    Raises:
        OSError: If its folder does not exist, or the path is itself a folder.
    """
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{option}: the folder {path.absolute().parent} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"{option}: {path} is a folder")


def check_format(path: Path) -> None:
    """Check that rows can be written to a path.

    Raises:
        ValueError: If the file extension is unknown.
        ImportError: If the format needs a library that is not installed.
        OSError: As ``check_folder``.
    """
    if path.suffix not in _WRITERS:
        raise ValueError(f"--out must end in {', '.join(_WRITERS)}, not {path.suffix or path.name}")
    if path.suffix == ".parquet":
        require("pyarrow.parquet", extra="parquet")
    check_folder(path, "--out")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to ``path``, which replaces it on success."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_rows(rows: Iterable[Row], path: Path, columns: Columns, *, raw: bool = False) -> int:
    """Write rows to a file, streaming.

    Args:
        rows: Rows, each with all columns.
        path: The file; its extension sets the format.
        columns: Column names, in order, and the types of their values.
        raw: Leave .csv cells that a spreadsheet would take for formulas unchanged; otherwise they
            are prefixed with an apostrophe.

    Returns:
        Number of rows written.
    """
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    with atomic_write(path) as part:
        stream = counted()
        if path.suffix == ".csv":
            stream = (_cells(row, raw) for row in stream)
        _WRITERS[path.suffix](stream, part, columns)
    return count


def _cells(row: Row, raw: bool) -> Row:
    """A row for a spreadsheet: lists joined into one cell, formulas made text."""
    joined = {
        name: "; ".join(value) if isinstance(value, list) else value for name, value in row.items()
    }
    if raw:
        return joined
    return {
        name: f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
        for name, value in joined.items()
    }


def _write_csv(rows: Iterator[Row], path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def _write_jsonl(rows: Iterator[Row], path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(as_json({name: row[name] for name in columns}) + "\n" for row in rows)


def _write_parquet(rows: Iterator[Row], path: Path, columns: Columns) -> None:
    arrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    kinds = {
        str: arrow.string(),
        int: arrow.int64(),
        float: arrow.float64(),
        list: arrow.list_(arrow.string()),
    }
    schema = arrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP_SIZE)):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


_WRITERS: dict[str, Callable[[Iterator[Row], Path, Columns], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
