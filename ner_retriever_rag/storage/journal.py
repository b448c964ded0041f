"""The write journal, which distinguishes leftovers of a crash from valid records.

Where no other process can write (a folder, memory), what a write touches is recorded in the
metadata of the mentions' collection, beside the revision: one call begins it and one ends it. On a
server each write has an empty collection of its own, created before the write and deleted after it:
Chroma does either atomically, and two writers cannot overwrite each other's entries.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ner_retriever_rag.storage.records import Record
from ner_retriever_rag.storage.retry import call_with_retry
from ner_retriever_rag.storage.roles import JOURNAL, ROLE_KEY, TOUCHED, WRITE

if TYPE_CHECKING:
    from ner_retriever_rag.storage.place import Place

SINCE = "ner:since"
_STALE = 3_600  # seconds after which another process's write to a server counts as dead


@dataclass(frozen=True, slots=True)
class Entry:
    """A write that has begun.

    Attributes:
        name: Its collection; None if it is in the metadata of the mentions' collection.
        records: What it writes and deletes; None if that cannot be read.
        since: When it began, in seconds.
    """

    name: str | None
    records: tuple[Record, ...] | None
    since: float


class Journal:
    """The journal of an index.

    Args:
        place: Where the index is.
        name: The index's name.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._place, self._prefix = place, f"{name}{JOURNAL}"
        self._open: str | None = None

    def begin(self, records: Iterable[Record]) -> None:
        """Record what a write is about to touch, in a collection."""
        name, client = f"{self._prefix}{uuid4().hex}", self._place.client
        metadata = {ROLE_KEY: WRITE, **self.note(records)}
        call_with_retry(  # the name is unique: if it exists, an earlier attempt made it
            lambda: client.get_or_create_collection(
                name, metadata=metadata, embedding_function=None
            ),
            client,
        )
        self._open = name

    def note(self, records: Iterable[Record]) -> dict[str, Any]:
        """Return what a write is about to touch, as metadata of a collection."""
        touched = [[record.doc_id, record.version, record.spans] for record in records]
        return {TOUCHED: json.dumps(touched), SINCE: self._now()}

    def end(self) -> None:
        """Remove the entry that ``begin`` made."""
        if self._open is not None:
            self._delete(self._open)
        self._open = None

    def remove(self, entry: Entry) -> None:
        """Remove the entry of another write."""
        if entry.name is not None:
            self._delete(entry.name)

    def read(self, mentions: str) -> tuple[dict[str, Any], list[Entry]]:
        """Return the current metadata of the mentions' collection, and all unfinished writes.

        Args:
            mentions: Name of the mentions' collection.
        """
        client = self._place.client
        there = call_with_retry(client.list_collections, client)
        (metadata,) = (dict(each.metadata or {}) for each in there if each.name == mentions)
        found = [
            _entry(each.name, each.metadata or {})
            for each in there
            if self._is_own(each.name) and TOUCHED in (each.metadata or {})
        ]
        if metadata.get(TOUCHED):
            found.append(_entry(None, metadata))
        return metadata, found

    def dead(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the writes that will not continue; call it during this thread's turn to write.

        On a server another process may be in the middle of a write; there, only old ones are dead.
        """
        if self._place.alone or not entries:
            return list(entries)
        now = self._now()
        return [
            each for each in entries if each.name in (None, self._open) or now - each.since > _STALE
        ]

    def _is_own(self, name: str) -> bool:
        """Whether a name fits a journal of this index; another index's name may begin the same."""
        return name.startswith(self._prefix) and bool(
            re.fullmatch("[0-9a-f]{32}", name.removeprefix(self._prefix))
        )

    def _now(self) -> float:
        """Seconds since 1970, by the server's clock if there is one, as writers' clocks differ."""
        client = self._place.client
        return time.time() if self._place.alone else call_with_retry(client.heartbeat, client) / 1e9

    def _delete(self, name: str) -> None:
        from chromadb.errors import NotFoundError

        client = self._place.client
        with suppress(NotFoundError):  # an earlier attempt, or another writer, did it
            call_with_retry(lambda: client.delete_collection(name), client)


def _entry(name: str | None, metadata: Mapping[str, Any]) -> Entry:
    try:
        touched = tuple(
            Record(str(doc_id), str(version), [(int(start), int(end)) for start, end in spans])
            for doc_id, version, spans in json.loads(str(metadata.get(TOUCHED)))
        )
        return Entry(name, touched, float(metadata.get(SINCE, 0)))
    except (ValueError, TypeError):
        return Entry(name, None, 0.0)
