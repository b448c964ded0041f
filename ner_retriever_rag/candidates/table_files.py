"""A table on disk: one memory-mapped file per column, shared by all processes.

The files are only a cache. They are written to a temporary folder, flushed and renamed, carry the
revision of the store they were built from, and are rebuilt if missing, damaged or of another
revision. A further file holds digests of all of them for integrity checks.
"""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import os
import shutil
import time
from dataclasses import fields, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import xxhash

from ner_retriever_rag.candidates.cells import Cells
from ner_retriever_rag.candidates.mention_table import MentionTable, offsets_of

_COLUMNS = (
    "cased", "first", "starts", "ends", "last_words", "names", "nearby", "priorities", "words",
    "vectors",
)  # fmt: skip
_ENDS = "cuts"  # ends of each mention's words, preceded by a 0
_LAYOUT = 7
_DIGESTS = "digests.json"
_TEMP_MARK = "~"  # follows the table's name; no collection's name contains it
_STALE_AFTER = 3_600  # seconds after which a temporary folder counts as abandoned
_BLOCK = 1 << 22  # bytes of a file read at once
_log = logging.getLogger(__name__)


def save_table(table: MentionTable, revision: str, folder: Path) -> None:
    """Write a table to a folder of its own, replacing what was there.

    If it cannot be written (a read-only disk), it is not saved: the next process rebuilds it.
    """
    aside = folder.with_name(f"{folder.name}{_TEMP_MARK}{uuid4().hex[:8]}")
    try:
        _remove_stale(folder)
        aside.mkdir(parents=True)
        columns = {name: getattr(table, name) for name in _COLUMNS}
        columns[_ENDS] = np.append(0, table.offsets[:, 1])
        for name, column in columns.items():
            np.save(aside / f"{name}.npy", column)
        if table.cells is not None:
            for each in fields(Cells):
                np.save(aside / f"cells.{each.name}.npy", getattr(table.cells, each.name))
        head = {
            "layout": _LAYOUT,
            "revision": revision,
            "doc_ids": table.doc_ids,
            "versions": table.versions,
        }
        (aside / "table.json").write_text(json.dumps(head), encoding="utf-8")
        _write_digests(aside)
        if folder.exists():
            os.replace(folder, gone := aside.with_name(f"{aside.name}{_TEMP_MARK}old"))
            shutil.rmtree(gone, ignore_errors=True)
        os.replace(aside, folder)
        _flush(folder.parent)
    except OSError as error:
        _log.info("the table of mentions is not kept in %s: %s", folder, error)
        with contextlib.suppress(OSError):
            shutil.rmtree(aside)


def load_table(folder: Path) -> tuple[str, MentionTable] | None:
    """Return the revision and the table in a folder; None if there is no readable one."""
    if not folder.exists():
        return None
    try:
        if not _is_of_this_layout(folder):
            return None
        head = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        columns = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in (*_COLUMNS, _ENDS)
        }
    except Exception as error:  # NumPy raises all kinds of errors for damaged files
        _log.warning("the table of mentions in %s is rebuilt: %s", folder, error)
        return None
    ends = columns.pop(_ENDS)
    columns["offsets"] = offsets_of(np.diff(ends))
    table = MentionTable(head["doc_ids"], head["versions"], **columns)
    fits = len(ends) == len(table) + 1 == len(table.vectors) + 1 == table.first[-1] + 1
    return (str(head["revision"]), replace(table, cells=_cells(folder, table))) if fits else None


def integrity_problem(folder: Path) -> str | None:
    """Return why a saved table will be rebuilt, in words; None if it is intact."""
    try:
        return None if _is_of_this_layout(folder) else "of another version"
    except Exception as error:
        return str(error)


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary folders that unfinished writes, dead or running, left beside a table."""
    return sorted(folder.parent.glob(f"{glob.escape(folder.name)}{_TEMP_MARK}*"))


def _remove_stale(folder: Path) -> None:
    for each in leftovers(folder):
        with contextlib.suppress(OSError):
            if time.time() - each.stat().st_mtime > _STALE_AFTER:
                shutil.rmtree(each)


def _write_digests(folder: Path) -> None:
    """Record the sizes and digests of a folder's files, and flush everything to disk."""
    files = {each.name: [each.stat().st_size, _digest(each)] for each in sorted(folder.iterdir())}
    content = {"layout": _LAYOUT, "files": files}
    (folder / _DIGESTS).write_text(json.dumps(content), encoding="utf-8")
    for each in (*folder.iterdir(), folder):
        _flush(each)


def _is_of_this_layout(folder: Path) -> bool:
    """Whether a table has this version's layout; if it has, check the integrity of its files.

    Raises:
        ValueError: If a file has changed since it was written; the message names it.
    """
    if not (folder / _DIGESTS).is_file():
        return False  # written by an earlier version
    content = json.loads((folder / _DIGESTS).read_text(encoding="utf-8"))
    if content["layout"] != _LAYOUT:
        return False
    for name, (size, digest) in content["files"].items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size or _digest(file) != digest:
            raise ValueError(f"{name} has changed since it was written")
    return True


def _digest(file: Path) -> str:
    digest = xxhash.xxh3_128()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return str(digest.hexdigest())


def _flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk before the next step."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _cells(folder: Path, table: MentionTable) -> Cells | None:
    """Load the cells in a folder; None if there are none for this table."""
    files = {each.name: folder / f"cells.{each.name}.npy" for each in fields(Cells)}
    if not all(file.is_file() for file in files.values()):
        return None  # a small table has none
    cells = Cells(**{name: np.load(file, mmap_mode="r") for name, file in files.items()})
    return cells if cells.fit(table.vectors) else None
