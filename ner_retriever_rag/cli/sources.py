"""Read documents from files: text, .pdf, .docx, .html, .eml, .jsonl, and .csv with a header."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from ner_retriever_rag._markup import truncate
from ner_retriever_rag.cli.walk import files_in
from ner_retriever_rag.reading.documents import CONVERTED, read_document
from ner_retriever_rag.reading.text_files import COMPRESSED, UNREADABLE, open_text
from ner_retriever_rag.schema import Document, is_utf8_encodable
from ner_retriever_rag.storage.metadata import key_problem, storable

PLAIN = (".txt", ".md")
ROWS = (".jsonl", ".csv")
_MAX_EXTENSIONS = 8  # extensions of skipped files that are reported
_ID_FIELDS = ("id", "_id", "doc_id")
_MAX_FIELD_LIST = 200  # characters of a list of fields in a message
_MAX_FIELD_SIZE = 2**27  # of a .csv file; a longer one is a quote that was never closed

Rows = Iterator[tuple[str, dict[str, Any]]]


@dataclass(slots=True)
class Problem:
    """Something that could not be read.

    Attributes:
        where: The file, with the line number if the problem concerns one line.
        why: What is wrong with it.
    """

    where: str
    why: str


@dataclass(slots=True)
class FileSource:
    """Reads documents from files and folders, recording what cannot be read instead of stopping.

    A plain text file is one document with its path as id; so is a .pdf, .docx, .html or .eml (extra
    ``files``), whose title goes into its metadata. A file is never split, however long. Each row of
    a .jsonl or .csv file is one document: its ``text_field`` is the text, ``id`` (or ``_id``,
    ``doc_id``) the id, ``<file>:<line>`` if there is none; the other fields are metadata, as far as
    an index can store them. Files may be compressed (.gz, .bz2, .xz).

    Attributes:
        paths: Files and folders; folders are searched recursively.
        text_field: Field of a row that holds its text.
        id_field: Field of a row that holds its id; None for the first of the usual names.
        limit: Stop after this many documents; None for all.
        follow_links: Follow links that lead out of a folder.
        problems: Problems found so far; filled while reading.
    """

    paths: Sequence[Path]
    text_field: str = "text"
    id_field: str | None = None
    limit: int | None = None
    follow_links: bool = False
    problems: list[Problem] = field(default_factory=list)
    _count: int = 0

    def count(self) -> int:
        """Read everything once to count the documents, for a progress bar."""
        silent = replace(self, problems=[])
        self._count = sum(1 for _ in silent)
        return self._count

    def __length_hint__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Document]:
        seen: dict[str, str] = {}
        for file in self._files():
            for where, document in self._documents(file):
                if document.id in seen:
                    self._report(where, f"id {document.id!r} is that of {seen[document.id]}")
                    continue
                seen[document.id] = where
                yield document
                if len(seen) == self.limit:
                    return

    def _report(self, where: str | Path, why: str) -> None:
        self.problems.append(Problem(str(where), why))

    def _files(self) -> Iterator[Path]:
        for path in self.paths:
            if path.is_dir():
                other: Counter[str] = Counter()
                found = files_in(
                    path, _kind_counter(other), follow_links=self.follow_links, report=self._report
                )
                if not found:
                    self._report(path, f"holds no {_extensions()} files")
                if other:
                    self._report(path, f"skipped: {_format_counts(other)}")
                yield from found
            elif not path.exists():
                self._report(path, "does not exist")
            elif not _kind(path):
                self._report(path, f"is none of {_extensions()}")
            elif not path.is_file():  # reading a pipe would block, and files are read twice
                self._report(path, "is not a plain file")
            else:
                yield path

    def _documents(self, file: Path) -> Iterator[tuple[str, Document]]:
        """Yield the documents of one file, each with its location."""
        if _kind(file) in CONVERTED:
            yield from self._converted(file)
            return
        read = {".jsonl": self._json_rows, ".csv": self._csv_rows}.get(_kind(file), _whole_file)
        left_out: set[str] = set()  # fields already reported for the file
        last = ""
        try:
            # Bytes that are not UTF-8 are decoded to surrogates, so that one of them costs a line,
            # not the file.
            with open_text(file, errors="surrogateescape") as stream:
                for last, row in read(file, stream):
                    try:
                        yield last, self._document(last, row, left_out)
                    except (TypeError, ValueError) as error:
                        self._report(last, str(error))
        except (*UNREADABLE, csv.Error) as error:
            after = " beyond this line" if last else ""
            self._report(last or file, f"cannot be read{after}: {error}")

    def _converted(self, file: Path) -> Iterator[tuple[str, Document]]:
        """Yield the document of a file that is not plain text, unless it has no text."""
        try:
            page = read_document(file)
            if not page.text.strip():
                self._report(file, "has no text")
                return
            titled = {"title": page.title} if page.title else {}
            text = _utf8(page.text)
            yield str(file), Document(text, str(file), {"source": str(file), **titled})
        except (OSError, ImportError, ValueError) as error:
            self._report(file, str(error))

    def _json_rows(self, file: Path, stream: IO[str]) -> Rows:
        for number, line in enumerate(stream, start=1):
            where = f"{file}:{number}"
            if not line.strip():
                continue
            try:
                row = json.loads(_utf8(line))
            except RecursionError:
                self._report(where, "is not JSON: nested too deep")
                continue
            except ValueError as error:  # bad syntax, bytes that are not UTF-8, enormous numbers
                self._report(where, f"is not JSON: {error}")
                continue
            if isinstance(row, dict):
                yield where, row
            else:
                self._report(where, "is not a JSON object")

    def _csv_rows(self, file: Path, stream: IO[str]) -> Rows:
        csv.field_size_limit(_MAX_FIELD_SIZE)
        lines: list[str] = []  # of the row being read
        rows = csv.DictReader(_tee(stream, lines))
        columns = rows.fieldnames or []  # read here: an unreadable header ends the file
        _utf8("".join(columns))
        for name in sorted(name for name, times in Counter(columns).items() if times > 1):
            self._report(file, f"has several columns {name!r}; the last is read")
        while True:
            lines.clear()
            first = rows.line_num + 1
            try:
                row = next(rows)
                _utf8("".join(lines))
            except StopIteration:
                return
            except (csv.Error, ValueError) as error:
                self._report(f"{file}:{first}", f"cannot be read: {error}")
                continue
            if len(lines) > 1 and sum(line.count('"') for line in lines) % 2:
                self._report(f"{file}:{first}", "opens a quote that is never closed")
                continue
            if None in row:  # cells beyond the header; missing cells are values of None
                self._report(f"{file}:{first}", "has more cells than the header; they are left out")
            cells = {key: value for key, value in row.items() if key and value is not None}
            yield f"{file}:{rows.line_num}", cells

    def _document(self, where: str, row: dict[str, Any], left_out: set[str]) -> Document:
        if self.text_field not in row:
            fields = truncate(", ".join(map(str, row)), _MAX_FIELD_LIST) or "none"
            raise ValueError(f"has no field {self.text_field!r} (its fields: {fields})")
        names = (self.id_field,) if self.id_field else _ID_FIELDS
        id_field = next((name for name in names if row.get(name) not in (None, "")), None)
        metadata = {
            key: value for key, value in row.items() if key not in (self.text_field, id_field)
        }
        kept = {key: value for key, value in metadata.items() if storable(key, value)}
        document_id = str(row[id_field]) if id_field else where
        document = Document(row[self.text_field], document_id, kept)
        for key in metadata.keys() - kept.keys() - left_out:
            left_out.add(key)
            why = key_problem(key) or "its value cannot be stored"
            self._report(where, f"field {key!r} is left out: {why}")
        return document


def _whole_file(file: Path, stream: IO[str]) -> Rows:
    yield str(file), {"text": _utf8(stream.read()), "id": str(file), "source": str(file)}


def _tee(stream: IO[str], lines: list[str]) -> Iterator[str]:
    """Yield lines, also appending each to a list."""
    for line in stream:
        lines.append(line)
        yield line


def _utf8(text: str) -> str:
    """Return a text unchanged if all of it was UTF-8.

    Raises:
        UnicodeError: If it contains a byte that was not, decoded to half of a surrogate pair.
    """
    if not is_utf8_encodable(text):
        raise UnicodeError("it contains bytes that are not UTF-8")
    return text


def _kind(file: Path) -> str:
    """The extension that decides how a file is read, ignoring compression; ``""`` if unknown."""
    ending = file.suffix.lower()
    if ending in CONVERTED:
        return ending
    name = file.with_suffix("") if ending in COMPRESSED else file
    return name.suffix.lower() if name.suffix.lower() in (*PLAIN, *ROWS) else ""


def _kind_counter(other: Counter[str]) -> Callable[[Path], str]:
    """Return a function like ``_kind`` that counts files of other extensions in ``other``."""

    def wanted(file: Path) -> str:
        kind = _kind(file)
        if not kind and not file.name.startswith(".") and not file.is_dir():
            other[file.suffix.lower() or "without an ending"] += 1
        return kind

    return wanted


def _format_counts(other: Counter[str]) -> str:
    named = [f"{count:,} {ending}" for ending, count in other.most_common(_MAX_EXTENSIONS)]
    rest = sum(other.values()) - sum(count for _, count in other.most_common(_MAX_EXTENSIONS))
    return ", ".join([*named, *([f"{rest:,} others"] if rest else [])])


def _extensions() -> str:
    return ", ".join((*PLAIN, *ROWS, *CONVERTED))
