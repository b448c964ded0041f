"""A table on disk: its vectors in a file that is memory-mapped, its other columns beside it.

The files only save time. They are written aside and renamed, carry the revision of the store they
were made from, and are made again wherever they are missing, damaged or of another revision.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from dataclasses import fields, replace
from pathlib import Path
from uuid import uuid4

import numpy as np

from ner_retriever_rag.candidates.cells import Cells
from ner_retriever_rag.candidates.mention_table import MentionTable, cuts_of

_COLUMNS = (
    "cased", "first", "starts", "ends", "last_words", "names", "nearby", "priorities", "words",
)  # fmt: skip
_ENDS = "cuts"  # of the words of each mention, after a 0
_LAYOUT = 5
_log = logging.getLogger(__name__)


def save_table(table: MentionTable, revision: str, folder: Path) -> None:
    """Write a table into a folder of its own; what stood there goes.

    Where it cannot be written (a read-only disk) it is not: the next process makes it again.
    """
    aside = folder.with_name(f"{folder.name}.{uuid4().hex[:8]}")
    try:
        aside.mkdir(parents=True)
        np.save(aside / "vectors.npy", table.vectors)
        columns = {name: getattr(table, name) for name in _COLUMNS}
        columns[_ENDS] = np.append(0, table.cuts[:, 1])
        np.savez(aside / "columns.npz", **columns)
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
        if folder.exists():
            os.replace(folder, gone := aside.with_suffix(".old"))
            shutil.rmtree(gone, ignore_errors=True)
        os.replace(aside, folder)
    except OSError as error:
        _log.info("the table of mentions is not kept in %s: %s", folder, error)
        with contextlib.suppress(OSError):
            shutil.rmtree(aside)


def load_table(folder: Path) -> tuple[str, MentionTable] | None:
    """The revision and the table in a folder; None where there is none that can be read."""
    try:
        head = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        if head["layout"] != _LAYOUT:
            return None
        with np.load(folder / "columns.npz") as stored:
            columns, ends = {name: stored[name] for name in _COLUMNS}, stored[_ENDS]
        vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError, EOFError) as error:
        if folder.exists():
            _log.warning("the table of mentions in %s is made anew: %s", folder, error)
        return None
    columns["cuts"] = cuts_of(np.diff(ends))
    table = MentionTable(head["doc_ids"], head["versions"], vectors=vectors, **columns)
    fits = len(ends) == len(table) + 1 == len(vectors) + 1 == table.first[-1] + 1
    return (str(head["revision"]), replace(table, cells=_cells(folder, table))) if fits else None


def _cells(folder: Path, table: MentionTable) -> Cells | None:
    """The cells in a folder; None where there are none of this table that can be read."""
    try:
        cells = Cells(
            **{
                each.name: np.load(folder / f"cells.{each.name}.npy", mmap_mode="r")
                for each in fields(Cells)
            }
        )
    except (OSError, ValueError, EOFError):
        return None
    return cells if cells.fit(table.vectors) else None
