"""Revisions of an index: they change with every write, so readers know when to read again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from ner_retriever_rag.storage.chroma import REVISION_KEY
from ner_retriever_rag.storage.collection import Rows

_HISTORY = 128  # own writes; they allow updating a table without reading everything


class Revisions:
    """The revision of an index, stored in the metadata of a collection.

    Args:
        rows: The collection.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._writes: deque[tuple[str, str, list[str]]] = deque(maxlen=_HISTORY)

    def current(self) -> str:
        """Return the revision, which any process's write changes; empty before the first write."""
        return str(self._rows.metadata().get(REVISION_KEY, ""))

    def mark(
        self, doc_ids: Sequence[str], metadata: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Give the index a new revision.

        Args:
            doc_ids: The documents that are written or deleted.
            metadata: The collection's metadata, if known, including any changes to write.

        Returns:
            The collection's new metadata.
        """
        found = self._rows.metadata() if metadata is None else metadata
        before, after = str(found.get(REVISION_KEY, "")), uuid4().hex
        self._rows.set_metadata(marked := {**found, REVISION_KEY: after})
        self._writes.append((before, after, list(doc_ids)))
        return marked

    def renew(self) -> None:
        """Give the index a new revision that may have touched anything."""
        self.mark([])
        self._writes.clear()

    def touched_since(self, revision: str) -> set[str] | None:
        """Return the ids of documents written or deleted since a revision; None if unknown.

        Only this object's own latest writes are known, and only if no other writer wrote between.
        """
        touched: set[str] = set()
        now = self.current()
        for before, after, doc_ids in reversed(self._writes.copy()):  # others may write meanwhile
            if now == revision:
                return touched
            if after != now:
                return None
            touched.update(doc_ids)
            now = before
        return touched if now == revision else None
