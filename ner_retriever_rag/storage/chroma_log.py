"""Find and repair records in Chroma's log that it cannot write to its tables.

Chroma logs a record before writing it. A record with more metadata than fits into an SQL statement
stays in the log, and from then on nothing of its collection can be read or written. The metadata of
an index's document can be stored as JSON instead, as a single value, so nothing is lost.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from ner_retriever_rag.storage.metadata import LONGEST_LIST
from ner_retriever_rag.storage.records import REST
from ner_retriever_rag.storage.roles import DATABASE, DOCUMENTS, roles_in
from ner_retriever_rag.storage.values import RESERVED, encoded

_MOST = 32_766 // 6  # SQLite's variables per statement over Chroma's variables per value
_SHORT = 2 * _MOST  # least number of characters of that many values in JSON
# What is not written yet: the log beyond the position that the collection's metadata has reached.
_WAITING = """
    SELECT log.seq_id, collections.name, log.id, log.metadata
    FROM embeddings_queue AS log
    JOIN collections ON log.topic LIKE '%/' || collections.id
    JOIN segments ON segments.collection = collections.id AND segments.scope = 'METADATA'
    LEFT JOIN max_seq_id AS reached ON reached.segment_id = segments.id
    WHERE length(log.metadata) > ? AND log.seq_id > coalesce(reached.seq_id, 0)
    ORDER BY log.seq_id
"""


class StuckRecord(NamedTuple):
    """A record that Chroma cannot write.

    Attributes:
        place: Its position in the log.
        collection: The name of its collection.
        id: Its id.
        metadata: Its metadata as Chroma stores it.
    """

    place: int
    collection: str
    id: str
    metadata: dict[str, Any]


class StuckLogError(RuntimeError):
    """Chroma's log of an index holds a record that it cannot write.

    Args:
        folder: The index.
        records: The records.
    """

    def __init__(self, folder: Path, records: list[StuckRecord]) -> None:
        first = records[0]
        super().__init__(
            f"record {first.id!r} of the collection {first.collection!r} in {folder} has more "
            f"metadata than Chroma can write, and until it is repaired nothing there can be read: "
            f"ner-retriever check {folder} --repair keeps them as JSON (first stop any server of "
            "the folder)"
        )
        self.records = records


def stuck(folder: Path) -> list[StuckRecord]:
    """Return the unwritable records in a folder's log, of any collection, oldest first."""
    database = f"{(folder / DATABASE).resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(database, uri=True)) as connection:
            rows = connection.execute(_WAITING, (_SHORT,)).fetchall()
    except sqlite3.Error:  # no database, or one of another layout: Chroma reports that itself
        return []
    records = (StuckRecord(row[0], row[1], row[2], _read(row[3])) for row in rows)
    return [each for each in records if _too_much(each.metadata)]


def unstick(folder: Path) -> list[StuckRecord]:
    """Convert metadata of documents that cannot be written to JSON.

    The calling process must hold the folder exclusively and not have Chroma open there.

    Args:
        folder: The database's folder.

    Returns:
        The repaired records; those of collections that are not an index's are left alone.
    """
    roles = roles_in(folder)
    ours = [each for each in stuck(folder) if roles.get(each.collection) == DOCUMENTS]
    if ours:
        with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
            connection.executemany(
                "UPDATE embeddings_queue SET metadata = ? WHERE seq_id = ?",
                [(json.dumps(_narrowed(each.metadata)), each.place) for each in ours],
            )
    return ours


def _read(metadata: str) -> dict[str, Any]:
    try:
        found = json.loads(metadata)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _too_much(metadata: Mapping[str, Any]) -> bool:
    there = [value for value in metadata.values() if value is not None]
    elements = sum(len(value) for value in there if isinstance(value, list))
    return elements > _MOST or sum(not isinstance(value, list) for value in there) > _MOST


def _narrowed(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Move long lists into the JSON that an index keeps, or all metadata if that is not enough."""
    own = {key for key in metadata if not key.startswith((RESERVED, "chroma:"))}
    for moved in (
        {
            key
            for key in own
            if isinstance(metadata[key], list) and len(metadata[key]) > LONGEST_LIST
        },
        own,
    ):
        rest = {key: encoded(metadata[key]) for key in moved if metadata[key] is not None}
        rest |= json.loads(metadata.get(REST) or "{}")  # existing entries are more exact
        narrow = {**metadata, **dict.fromkeys(moved), REST: json.dumps(rest)}
        if not _too_much(narrow):
            break
    return narrow
