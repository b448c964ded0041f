"""Documents from files: folders of .txt and .md, .jsonl with a text field, .csv with a header."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from ner_retriever_rag.index.metadata import storable
from ner_retriever_rag.schema import Document

PLAIN = (".txt", ".md")
ROWS = (".jsonl", ".csv")
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_ID_FIELDS = ("id", "_id", "doc_id")


@dataclass(slots=True)
class Problem:
    """Something that could not be read.

    Attributes:
        where: The file, with the line's number where it is about one line.
        why: What is wrong with it.
    """

    where: str
    why: str


@dataclass(slots=True)
class FileSource:
    """Reads documents from files and folders, noting what cannot be read instead of stopping.

    A plain file is one document, its path its id. A row of a .jsonl or .csv file is one document:
    its ``text_field`` is the text, ``id`` (or ``_id``, ``doc_id``) the id, ``<file>:<line>`` where
    there is none; the other fields are metadata as far as Chroma can store them. Files may be
    compressed (.gz, .bz2, .xz).

    Attributes:
        paths: Files and folders; folders are searched through.
        text_field: Field of a row that holds its text.
        id_field: Field of a row that holds its id; None for the first of the usual names.
        limit: Stop after this many documents; None for all.
        problems: Filled while reading.
    """

    paths: Sequence[Path]
    text_field: str = "text"
    id_field: str | None = None
    limit: int | None = None
    problems: list[Problem] = field(default_factory=list)
    _count: int = 0

    def count(self) -> int:
        """Read everything once to see how many documents there are, for a progress bar."""
        silent = FileSource(self.paths, self.text_field, self.id_field, self.limit)
        self._count = sum(1 for _ in silent)
        return self._count

    def __length_hint__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Document]:
        seen: dict[str, str] = {}
        for file in self._files():
            for where, document in self._documents(file):
                if document.id in seen:
                    first = seen[document.id]
                    self.problems.append(Problem(where, f"id {document.id!r} is that of {first}"))
                    continue
                seen[document.id] = where
                yield document
                if len(seen) == self.limit:
                    return

    def _files(self) -> Iterator[Path]:
        for path in self.paths:
            if path.is_dir():
                found = sorted(each for each in path.rglob("*") if _kind(each) and each.is_file())
                if not found:
                    self.problems.append(Problem(str(path), f"holds no {_endings()} files"))
                yield from found
            elif not path.exists():
                self.problems.append(Problem(str(path), "does not exist"))
            elif not _kind(path):
                self.problems.append(Problem(str(path), f"is none of {_endings()}"))
            else:
                yield path

    def _documents(self, file: Path) -> Iterator[tuple[str, Document]]:
        """The documents of one file, each with where it stands."""
        read = {".jsonl": self._json_rows, ".csv": self._csv_rows}.get(_kind(file), _whole_file)
        try:
            with _open(file) as stream:
                for where, row in read(file, stream):
                    try:
                        yield where, self._document(where, row)
                    except (TypeError, ValueError) as error:
                        self.problems.append(Problem(where, str(error)))
        except (OSError, EOFError, UnicodeError, lzma.LZMAError, csv.Error) as error:
            self.problems.append(Problem(str(file), f"cannot be read: {error}"))

    def _json_rows(self, file: Path, stream: IO[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, line in enumerate(stream, start=1):
            where = f"{file}:{number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                self.problems.append(Problem(where, f"is not JSON: {error}"))
                continue
            if isinstance(row, dict):
                yield where, row
            else:
                self.problems.append(Problem(where, "is not a JSON object"))

    def _csv_rows(self, file: Path, stream: IO[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        csv.field_size_limit(sys.maxsize)
        rows = csv.DictReader(stream)
        for row in rows:
            # Cells beyond the header come under None, missing ones as None.
            yield (
                f"{file}:{rows.line_num}",
                {key: value for key, value in row.items() if key and value is not None},
            )

    def _document(self, where: str, row: dict[str, Any]) -> Document:
        if self.text_field not in row:
            fields = ", ".join(map(str, row)) or "none"
            raise ValueError(f"has no field {self.text_field!r} (its fields: {fields})")
        names = (self.id_field,) if self.id_field else _ID_FIELDS
        id_field = next((name for name in names if row.get(name) not in (None, "")), None)
        metadata = {
            key: value
            for key, value in row.items()
            if key not in (self.text_field, id_field) and storable(key, value)
        }
        return Document(row[self.text_field], str(row[id_field]) if id_field else where, metadata)


def _whole_file(file: Path, stream: IO[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield str(file), {"text": stream.read(), "id": str(file), "source": str(file)}


def _kind(file: Path) -> str:
    """The ending that says how to read a file, without that of its compression; else ``""``."""
    name = file.with_suffix("") if file.suffix.lower() in _OPENERS else file
    return name.suffix.lower() if name.suffix.lower() in (*PLAIN, *ROWS) else ""


def _endings() -> str:
    return ", ".join((*PLAIN, *ROWS))


def _open(file: Path) -> IO[str]:
    opener = _OPENERS.get(file.suffix.lower(), open)
    # utf-8-sig: spreadsheets put a byte-order mark before the header.
    return cast("IO[str]", opener(file, "rt", encoding="utf-8-sig", newline=""))
