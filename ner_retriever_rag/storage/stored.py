"""Read what is stored: documents, their records, and the vectors of their mentions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import Document
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.metadata import split
from ner_retriever_rag.storage.protocol import RowReader, Where
from ner_retriever_rag.storage.records import (
    VERSION,
    DamagedRecordError,
    Record,
    StoredDocument,
    from_row,
    record_of,
    salvaged,
    unpack_rows,
)

_VERSIONS = 128  # per request


class StoreReader:
    """The reading half of a store.

    Args:
        documents: The documents' records.
        mentions: The rows of mention vectors.
        per_row: Number of vectors per row.
    """

    def __init__(self, documents: RowReader, mentions: RowReader, per_row: int) -> None:
        self._documents, self._mentions, self.per_row = documents, mentions, per_row

    @property
    def texts(self) -> RowReader:
        """The documents' rows, with their text vectors."""
        return self._documents

    @property
    def mentions(self) -> RowReader:
        """The rows of mention vectors."""
        return self._mentions

    def document_count(self) -> int:
        """Return the number of documents."""
        return self._documents.count()

    def fetch(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Return documents with their records, by id; unknown ids are ignored."""
        found = {}
        for some in batches(ids, self._documents.batch):
            rows = self._documents.get(some, ["metadatas", "documents"])
            for doc_id, metadata, text in zip(
                rows["ids"], rows["metadatas"] or [], rows["documents"] or [], strict=True
            ):
                found[doc_id] = from_row(doc_id, metadata, text)
        return found

    def replaceable(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """Return what a write to these ids would replace, in the detail that the write needs."""
        return self.fetch(ids)

    def twins(self, documents: Mapping[str, Document]) -> dict[str, StoredDocument]:
        """Return stored documents with the content of the given ones, under any id.

        Args:
            documents: Documents by version.

        Returns:
            The stored documents by version, where there is one.
        """
        rows = self._of_versions(documents, ["metadatas", "documents"])
        return {metadata[VERSION]: from_row(each, metadata, text) for each, metadata, text in rows}

    def _of_versions(
        self, versions: Iterable[str], include: Sequence[str]
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield one record of each version that exists: its id, metadata and text.

        If thousands of documents share a text, only some of their records are read.

        Args:
            versions: The versions.
            include: The fields to read, as Chroma names them; must include the metadata.
        """
        for some in batches(versions, _VERSIONS):
            missing, before = set(some), -1
            while missing and len(missing) != before:
                before = len(missing)
                wanted = {VERSION: {"$in": sorted(missing)}}
                rows = self._documents.find(wanted, include, len(missing))
                texts = rows.get("documents") or [None] * len(rows["ids"])
                for row in zip(rows["ids"], rows["metadatas"] or [], texts, strict=True):
                    if row[1][VERSION] in missing:
                        missing.remove(row[1][VERSION])
                        yield row

    def records(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return documents' records, by id, without the documents; unknown ids are ignored."""
        return {
            doc_id: record_of(doc_id, metadata)
            for some in batches(ids, self._documents.batch)
            for rows in [self._documents.get(some, ["metadatas"])]
            for doc_id, metadata in zip(rows["ids"], rows["metadatas"] or [], strict=True)
        }

    def changed(self, versions: Mapping[str, str]) -> set[str]:
        """Return the ids whose text has changed or is gone though the revision is the same.

        Args:
            versions: The version of each document as it was read.
        """
        return set()  # nothing changes here without a new revision

    def document_ids(self, where: Where = None) -> list[str]:
        """Return the ids of all documents that pass a filter.

        Raises:
            ValueError: If Chroma rejects ``where``.
        """
        return self._documents.ids(where)

    def unknown_keys(self, keys: Iterable[str]) -> set[str]:
        """Return the metadata keys that no document has with a value that filters can match.

        Reads documents until all keys have been seen.
        """
        unknown = set(keys)
        for page in self.pages():
            if not unknown:
                break
            unknown.difference_update(*(split(each.document.metadata)[0] for each in page))
        return unknown

    def row_ids(self) -> list[str]:
        """Return the ids of all mention rows; some may not count (see ``leftovers``)."""
        return self._mentions.ids()

    def pages(self, where: Where = None, size: int = 1_000) -> Iterator[list[StoredDocument]]:
        """Yield all documents that pass a filter, in batches.

        Raises:
            ValueError: If Chroma rejects ``where``.
        """
        for some in batches(self.document_ids(where), size):
            yield list(self.fetch(some).values())

    def vectors(self, records: Iterable[Record], dim: int) -> dict[str, NDArray[np.float32]]:
        """Return the mention vectors of documents, float32 ``(mentions, dim)`` in order, by id.

        A document with rows missing is left out.

        Args:
            records: The documents' records.
            dim: Width of the vectors.
        """
        ids = [(record, record.row_ids(self.per_row)) for record in records]
        rows = self._mentions.vectors([each for _, of_it in ids for each in of_it])
        return {
            record.doc_id: unpack_rows([rows[each] for each in of_it], len(record.spans), dim)
            for record, of_it in ids
            if rows.keys() >= set(of_it)
        }

    def salvaged(self, doc_id: str) -> Document | None:
        """Return what is left of a document with an unreadable record; None without its text."""
        rows = self._documents.get([doc_id], ["metadatas", "documents"])
        if not rows["ids"]:
            return None
        return salvaged(doc_id, rows["metadatas"][0], rows["documents"][0])

    def _rows_of(self, records: Iterable[Record]) -> set[str]:
        """Return the ids of the documents' mention rows."""
        return {each for record in records for each in record.row_ids(self.per_row)}

    def _current(self, records: Iterable[Record]) -> set[str]:
        """Return the ids of the current mention rows of the given records' documents.

        A document with an unreadable record has none: it has to be encoded again.
        """
        current: list[Record] = []
        for some in batches(dict.fromkeys(each.doc_id for each in records), self._documents.batch):
            rows = self._documents.get(some, ["metadatas"])
            for doc_id, metadata in zip(rows["ids"], rows["metadatas"] or [], strict=True):
                with suppress(DamagedRecordError):
                    current.append(record_of(doc_id, metadata))
        return self._rows_of(current)
