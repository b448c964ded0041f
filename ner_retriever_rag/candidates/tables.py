"""Keep the table of an index loaded and up to date."""

from __future__ import annotations

import threading
from collections.abc import Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ner_retriever_rag.candidates.cells import LARGE, Cells
from ner_retriever_rag.candidates.mention_table import MentionTable, read_table
from ner_retriever_rag.candidates.table_files import load_table, save_table
from ner_retriever_rag.storage.lock import one_at_a_time

if TYPE_CHECKING:
    from ner_retriever_rag.storage.protocol import DocumentStore

TABLE = "table-"  # prefix of the index's name in the name of the folder that holds its table
_MIN_SAVED = 5_000  # mentions; fewer are read from Chroma just as fast


class CurrentTable(Protocol):
    """Provides the table that a search uses."""

    @property
    def revision(self) -> str | None:
        """Revision of the store when the table was last requested; None if unknown."""

    def current(self) -> MentionTable:
        """Return the current table."""


class FixedTable:
    """A table that does not change.

    Args:
        table: The table; None if there is none and none will be requested.
        revision: Revision of the store.
    """

    def __init__(self, table: MentionTable | None, revision: str | None = None) -> None:
        self._table, self.revision = table, revision

    def current(self) -> MentionTable:
        """Return the table."""
        if self._table is None:
            raise AssertionError("an index on a server has no table of all mentions")
        return self._table


class Tables:
    """The current table of a store.

    Args:
        store: The store it is built from.
        dim: Width of the vectors.
        folder: Where to save it, memory-mapped, for the next process; None keeps it in memory only.
        cells: Whether a large table gets cells, which require unit vectors.
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
        """Revision of the store when the table was last requested; None before that."""
        return self._revision

    def current(self) -> MentionTable:
        """Return the table of the store's current content."""
        with self._lock:
            revision = self._store.revisions.current()
            if self._table is None or revision != self._revision:
                self._table = self._load_or_build(revision)
                self._revision = revision
            return self._table

    def _load_or_build(self, revision: str) -> MentionTable:
        if self._table is not None and self._revision is not None:
            # Not saved after each small write: the next process then has little to read.
            touched = self._store.revisions.touched_since(self._revision)
            return self._read(self._table, touched)
        if self._folder is None:
            return self._read(None)
        found = load_table(self._folder)
        if (kept := self._as_of(revision, found)) is not None:
            return kept
        with one_at_a_time(self._folder.with_name(f".{self._folder.name}.lock")):
            found = load_table(self._folder)  # another process may have built it meanwhile
            if (kept := self._as_of(revision, found)) is not None:
                return kept
            table = self._read(found[1] if found else None)
            if len(table) >= _MIN_SAVED:
                save_table(table, revision, self._folder)
                # Memory-mapped from the folder, shared with other processes.
                table = self._as_of(revision, load_table(self._folder)) or table
            return table

    def _as_of(self, revision: str, found: tuple[str, MentionTable] | None) -> MentionTable | None:
        """Return the table found in the folder if it matches the store's current content."""
        # A killed write may have changed documents since without changing the revision.
        if found is None or found[0] != revision or self._store.unfinished():
            return None
        return None if self._lacks_cells(found[1]) else found[1]

    def _read(self, before: MentionTable | None, touched: Set[str] | None = None) -> MentionTable:
        return self._with_cells(read_table(self._store, self._dim, before, touched), before)

    def _with_cells(self, table: MentionTable, before: MentionTable | None) -> MentionTable:
        """Add cells to a table that lacks them, derived from the older table's if it has some."""
        if not self._lacks_cells(table):
            return table
        if before is not None and before.cells is not None:
            cells = before.cells.follow(table.vectors, table.origins(before))
        else:
            cells = Cells.make(table.vectors)
        return table if cells is None else replace(table, cells=cells)

    def _lacks_cells(self, table: MentionTable) -> bool:
        return self._cells and len(table) > LARGE and table.cells is None
