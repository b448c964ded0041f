"""What writes have begun, so that what a crash leaves over can be told from what counts.

Where no other process can write (a folder, memory) what a write touches stands in the metadata of
the mentions' collection, beside the revision: one call begins it, one ends it. On a server each
write has a collection of its own, without records, that is made before the write and deleted after
it: Chroma does either at once or not at all, and two writers cannot overwrite each other's.
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
_STALE = 3_600  # seconds after which another process's write, seen on a server, counts as dead


@dataclass(frozen=True, slots=True)
class Entry:
    """One write that has begun.

    Attributes:
        name: Its collection; None for one in the metadata of the mentions' collection.
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
        """Write down in a collection what is about to be touched."""
        name, client = f"{self._prefix}{uuid4().hex}", self._place.client
        metadata = {ROLE_KEY: WRITE, **self.note(records)}
        call_with_retry(  # the name is unique: if it is there, an earlier attempt made it
            lambda: client.get_or_create_collection(
                name, metadata=metadata, embedding_function=None
            ),
            client,
        )
        self._open = name

    def note(self, records: Iterable[Record]) -> dict[str, Any]:
        """What is about to be touched, as metadata of a collection."""
        touched = [[record.doc_id, record.version, record.spans] for record in records]
        return {TOUCHED: json.dumps(touched), SINCE: self._now()}

    def end(self) -> None:
        """Strike out what was begun in a collection."""
        if self._open is not None:
            self._delete(self._open)
        self._open = None

    def strike(self, entry: Entry) -> None:
        """Strike out what another write began."""
        if entry.name is not None:
            self._delete(entry.name)

    def look(self, mentions: str) -> tuple[dict[str, Any], list[Entry]]:
        """The metadata of a collection as they are now, and all writes that did not end.

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
        """Those of writes that will not go on: call it while it is this thread's turn to write.

        On a server another process may be in the middle of one; then only old ones are.
        """
        if self._place.alone or not entries:
            return list(entries)
        now = self._now()
        return [
            each for each in entries if each.name in (None, self._open) or now - each.since > _STALE
        ]

    def _is_own(self, name: str) -> bool:
        """Whether a journal of this index may have the name; another index may be called so."""
        return name.startswith(self._prefix) and bool(
            re.fullmatch("[0-9a-f]{32}", name.removeprefix(self._prefix))
        )

    def _now(self) -> float:
        """Seconds since 1970, by the server's clock where there is one: writers' may differ."""
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
