"""Keeps the table of an index at hand and up to date."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ner_retriever_rag.candidates.cells import LARGE, Cells
from ner_retriever_rag.candidates.mention_table import MentionTable, read_table
from ner_retriever_rag.candidates.table_files import load_table, save_table

if TYPE_CHECKING:
    from ner_retriever_rag.storage.protocol import DocumentStore

TABLE = "table-"  # before an index's name, the name of the folder where its table is kept
_WORTH_KEEPING = 5_000  # mentions; fewer are read from Chroma as quickly


class CurrentTable(Protocol):
    """Gives the table that a search looks at."""

    @property
    def revision(self) -> str | None:
        """The store's when the table was last asked for; None where it is not known."""

    def current(self) -> MentionTable:
        """The table of what there is now."""


class FixedTable:
    """A table that stays as it is.

    Args:
        table: The table; None where there is none, and nobody asks.
        revision: The store's.
    """

    def __init__(self, table: MentionTable | None, revision: str | None = None) -> None:
        self._table, self.revision = table, revision

    def current(self) -> MentionTable:
        """The table."""
        if self._table is None:
            raise AssertionError("an index on a server has no table of all mentions")
        return self._table


class Tables:
    """The current table of a store.

    Args:
        store: What it is made from.
        dim: Width of the vectors.
        folder: Where to keep it, memory-mapped, for the next process; None keeps it in memory.
        cells: Whether a large one has cells, which are for unit vectors.
    """

    def __init__(
        self, store: DocumentStore, dim: int, folder: Path | None, *, cells: bool = True
    ) -> None:
        self._store, self._dim, self._folder, self._cells = store, dim, folder, cells
        self._lock = threading.Lock()
        self._table: MentionTable | None = None
        self._revision: str | None = None

    @property
    def revision(self) -> str | None:
        """The store's when the table was last asked for; None before that."""
        return self._revision

    def current(self) -> MentionTable:
        """The table of what the store holds now."""
        with self._lock:
            revision = self._store.revisions.current()
            if self._table is None or revision != self._revision:
                self._table = self._made(revision)
                self._revision = revision
            return self._table

    def _made(self, revision: str) -> MentionTable:
        before, touched = self._table, None
        if before is not None and self._revision is not None:
            touched = self._store.revisions.touched_since(self._revision)
        elif self._folder is not None and (found := load_table(self._folder)) is not None:
            before = found[1]
            # A write that was killed may have changed documents since, under this revision.
            if found[0] == revision and not self._store.unfinished():
                table = self._with_cells(before, None)
                if table is not before:  # an older version kept it
                    save_table(table, revision, self._folder)
                return table
        table = self._with_cells(read_table(self._store, self._dim, before, touched), before)
        # Not after each small write: what this process wrote is little to read for the next.
        if self._folder is not None and touched is None and len(table) >= _WORTH_KEEPING:
            save_table(table, revision, self._folder)
        return table

    def _with_cells(self, table: MentionTable, before: MentionTable | None) -> MentionTable:
        """A table with cells, if it is large and there is use of them: those before go on."""
        if not self._cells or len(table) <= LARGE or table.cells is not None:
            return table
        if before is not None and before.cells is not None:
            cells = before.cells.follow(table.vectors, table.origins(before))
        else:
            cells = Cells.make(table.vectors)
        return table if cells is None else replace(table, cells=cells)
