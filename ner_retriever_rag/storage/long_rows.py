"""Records larger than a server accepts: what exceeds the limits is stored in separate parts.

Chroma's hosted service accepts 16 KB of text, 32 metadata keys of 36 bytes and 4 KB per value. A
record within these limits is stored as anywhere else. Of a larger one, the beginning of the text
stays in place for any client to read; the full text and the metadata that does not fit are JSON in
a further collection, referenced by the record. Parts are addressed by their content, are written
before the record, and those of the previous record are deleted after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.storage.collection import Rows, batches
from ner_retriever_rag.storage.roles import PARTS, PARTS_SUFFIX
from ner_retriever_rag.storage.side_rows import SideRows
from ner_retriever_rag.storage.values import RESERVED

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.storage.place import Place

_IN_PARTS = "ner:parts"  # digest of the parts' content, and their number
_TEXT, _VALUE, _KEY = 16_384, 4_096, 36  # bytes of a text, of a metadata value, of its key
_KEYS = 28  # of the 32; the others are ours
_ID = 94  # bytes of a document id; a mention's row id adds version and span, within 128
_PART = 4_000  # characters per part, of at most four bytes each


@dataclass(frozen=True, slots=True)
class _Parts:
    """Reference to the parts of a record.

    Attributes:
        digest: Hash of the record's id and the parts' content.
        count: Number of parts.
    """

    digest: str
    count: int

    def __str__(self) -> str:
        return f"{self.digest}:{self.count}"

    @classmethod
    def parse(cls, text: str) -> _Parts:
        """Parse what ``str`` wrote."""
        digest, _, count = text.partition(":")
        return cls(digest, int(count))

    @property
    def ids(self) -> list[str]:
        """The ids of the parts."""
        return [f"{self.digest}:{n}" for n in range(self.count)]


class LongRows(Rows):
    """A collection of records of any length.

    Args:
        place: Where it is; records are split only if its calls are limited (``max_batch``).
        collection: The collection.
    """

    def __init__(self, place: Place, collection: Collection) -> None:
        super().__init__(place, collection)
        self._parts = SideRows(place, f"{collection.name}{PARTS_SUFFIX}", PARTS)

    def get(self, ids: Sequence[str], include: Sequence[str], *, retry: bool = True) -> Any:
        """Get complete records by id; as :meth:`Rows.get`."""
        return self._whole(super().get(ids, include, retry=retry), include)

    def find(self, where: Mapping[str, Any], include: Sequence[str], most: int) -> Any:
        """Get complete records that pass a filter; as :meth:`Rows.find`."""
        return self._whole(super().find(where, include, most), include)

    def check_ids(self, ids: Iterable[str]) -> None:
        """Check that ids are not longer than the server accepts.

        Raises:
            ValueError: If one is.
        """
        for doc_id in ids if self.max_results is not None else ():
            if len(doc_id.encode()) > _ID:
                raise ValueError(
                    f"document id {doc_id!r} is longer than the {_ID} bytes allowed when "
                    "max_batch is set (Chroma's hosted service)"
                )

    def upsert(self, **columns: Any) -> None:
        """Write records; what exceeds the limits goes into parts."""
        if self.max_results is None:
            super().upsert(**columns)
            return
        before = self._parts_of(columns["ids"])
        rest: dict[str, str] = {}  # the parts' texts by id
        for row, doc_id in enumerate(columns["ids"]):
            text, metadata, parts = _divided(
                doc_id, columns["documents"][row], columns["metadatas"][row]
            )
            columns["documents"][row], columns["metadatas"][row] = text, metadata
            rest |= parts
        self._write_parts(rest)
        super().upsert(**columns)
        self._drop_parts(before - set(rest))

    def delete(self, ids: Iterable[str]) -> None:
        """Delete records by id, and their parts."""
        some = list(ids)
        parts = self._parts_of(some) if self.max_results is not None else set()
        super().delete(some)
        self._drop_parts(parts)

    def _parts_of(self, ids: Sequence[str]) -> set[str]:
        """Return the ids of the parts of records."""
        found: set[str] = set()
        if self._parts.get() is None:
            return found
        for some in batches(ids, self.batch):
            for metadata in super().get(some, ["metadatas"])["metadatas"]:
                if metadata and (parts := metadata.get(_IN_PARTS)):
                    found.update(_Parts.parse(parts).ids)
        return found

    def _write_parts(self, parts: Mapping[str, str]) -> None:
        if parts:
            self._parts.get_or_create().upsert(
                ids=list(parts), embeddings=[[1.0]] * len(parts), documents=list(parts.values())
            )

    def _drop_parts(self, ids: set[str]) -> None:
        if ids and (rows := self._parts.get()) is not None:
            rows.delete(ids)

    def _whole(self, rows: Any, include: Sequence[str]) -> Any:
        """Reassemble records that were split."""
        if "metadatas" not in include:
            return rows
        divided = {
            row: _Parts.parse(parts)
            for row, metadata in enumerate(rows["metadatas"] or [])
            if metadata and (parts := metadata.get(_IN_PARTS))
        }
        if not divided or (there := self._parts.get()) is None:
            return rows
        wanted = [each for parts in divided.values() for each in parts.ids]
        texts: dict[str, str] = {}
        for some in batches(wanted, there.batch):
            found = there.get(some, ["documents"])
            texts |= dict(zip(found["ids"], found["documents"], strict=True))
        for row, parts in divided.items():
            if texts.keys() >= set(parts.ids):  # else its text does not match its version's hash
                rest = json.loads("".join(texts[each] for each in parts.ids))
                metadata = dict(rows["metadatas"][row]) | rest["metadata"]
                metadata.pop(_IN_PARTS)
                rows["metadatas"][row] = metadata
                if rows.get("documents") is not None:
                    rows["documents"][row] = rest["text"] or rows["documents"][row]
        return rows


def _divided(
    doc_id: str, text: str, metadata: Mapping[str, Any]
) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Split a record: what the server accepts, and the texts of its parts by id."""
    own = [key for key, value in metadata.items() if value is not None and _is_users(key)]
    moved = {
        key: value
        for key, value in metadata.items()
        if value is not None and (key in own[_KEYS:] or _is_long(key, value))
    }
    # None removes a key that the previous record may have; it cannot have one that is too long.
    short = {
        key: None if key in moved else value
        for key, value in metadata.items()
        if len(key.encode()) <= _KEY
    }
    cut = text.encode()[:_TEXT].decode(errors="ignore")
    if not moved and cut == text:
        return text, {**short, _IN_PARTS: None}, {}
    rest = json.dumps({"text": None if cut == text else text, "metadata": moved})
    pieces = [rest[start : start + _PART] for start in range(0, len(rest), _PART)]
    digest = sha256(f"{doc_id}\0{rest}".encode()).hexdigest()[:32]
    parts = _Parts(digest, len(pieces))
    return cut, {**short, _IN_PARTS: str(parts)}, dict(zip(parts.ids, pieces, strict=True))


def _is_users(key: str) -> bool:
    return not key.startswith(RESERVED)


def _is_long(key: str, value: Any) -> bool:
    return len(key.encode()) > _KEY or len(json.dumps(value).encode()) > _VALUE
