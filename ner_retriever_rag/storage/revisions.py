"""Revisions of an index: what changes with every write, so that readers know when to look again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from ner_retriever_rag.storage.chroma import REVISION_KEY
from ner_retriever_rag.storage.collection import Rows

_REMEMBERED = 128  # own writes, by which a table is brought up to date without reading everything


class Revisions:
    """The revision of an index, kept in the metadata of a collection.

    Args:
        rows: The collection.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._writes: deque[tuple[str, str, list[str]]] = deque(maxlen=_REMEMBERED)

    def current(self) -> str:
        """What changes with every write, by any process; empty before the first."""
        return str(self._rows.metadata().get(REVISION_KEY, ""))

    def mark(
        self, doc_ids: Sequence[str], metadata: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Give the index a new revision.

        Args:
            doc_ids: The documents that are written or deleted.
            metadata: The collection's, where they are known, with whatever is to change.

        Returns:
            The collection's metadata from now on.
        """
        found = self._rows.metadata() if metadata is None else metadata
        before, after = str(found.get(REVISION_KEY, "")), uuid4().hex
        self._rows.set_metadata(marked := {**found, REVISION_KEY: after})
        self._writes.append((before, after, list(doc_ids)))
        return marked

    def renew(self) -> None:
        """Give the index a new revision of which it is not known what it touched."""
        self.mark([])
        self._writes.clear()

    def touched_since(self, revision: str) -> set[str] | None:
        """Ids of the documents written or deleted since a revision; None where it is not known.

        It is known of this object's own last writes, with none of another writer between them.
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
