"""Storage of an index: documents and mentions, with crash-safe writes.

An index is two Chroma collections. ``<name>`` holds each document once: its text vector, its text,
the caller's metadata and, under keys that begin with ``ner:``, its version (a hash of its content)
and the spans of its mentions. ``<name>-mentions`` holds the mention vectors, those of several
mentions of a document side by side in one row. A row's id fully describes its content, ``<document
id>#<version>:<start>-<end>,<start>-<end>``; hence rows with the same id have the same content.

Mentions count only through their document's record. Rows of a new version are written before the
record, those of the old version are deleted after it, and a journal names both, so that readers
skip what a crash leaves behind and the next write deletes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import Document, EncodedText
from ner_retriever_rag.storage import chroma
from ner_retriever_rag.storage.collection import Rows, SettledRows, batches
from ner_retriever_rag.storage.journal import SINCE, Entry, Journal
from ner_retriever_rag.storage.judgements import JudgementRows
from ner_retriever_rag.storage.records import (
    Record,
    StoredDocument,
    StoredJudgement,
    check_vectors,
    distinct_spans,
    pack_rows,
    row_metadata,
    text_vector,
    version_of,
)
from ner_retriever_rag.storage.revisions import Revisions
from ner_retriever_rag.storage.roles import FORMAT_KEY, TOUCHED
from ner_retriever_rag.storage.stored import StoreReader

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.storage.chroma import VectorSource
    from ner_retriever_rag.storage.place import Place

__all__ = ["Store", "StoredDocument", "version_of"]


class Store(StoreReader):
    """Documents and mentions in two Chroma collections.

    Its writing methods may be called by one thread at a time, within ``Place.writing``.

    Args:
        place: Where the collections are.
        documents: The documents' collection.
        mentions: The mentions' collection.
    """

    def __init__(self, place: Place, documents: Collection, mentions: Collection) -> None:
        per_row = int((mentions.metadata or {}).get(chroma.PER_ROW_KEY, 1))
        super().__init__(self._own_rows(place, documents), SettledRows(place, mentions), per_row)
        self._place, self._journal = place, Journal(place, documents.name)
        self.revisions = Revisions(self._mentions)
        self._judgements = JudgementRows(place, documents.name)
        self._token = object()  # identifies this store to the place without keeping it alive
        self._metadata: dict[str, Any] = {}  # of the mentions' collection, while this store writes

    _documents: Rows
    _mentions: Rows

    @staticmethod
    def _own_rows(place: Place, documents: Collection) -> Rows:
        return Rows(place, documents)

    @property
    def texts(self) -> Rows:
        """The documents' rows, with their text vectors."""
        return self._documents

    @property
    def mentions(self) -> Rows:
        """The rows of mention vectors."""
        return self._mentions

    @property
    def alone(self) -> bool:
        """Whether this process is the only one that can write."""
        return self._place.alone

    def writes_paused(self) -> AbstractContextManager[None]:
        """Make the writers of this process wait until the context ends."""
        return self._place.writes_paused()

    def widths(self) -> tuple[int, int]:
        """Return the stored widths of the text and mention vectors; 0 where there are none."""
        widths = []
        for table in (self._documents, self._mentions):
            rows = table.first(["embeddings"])["embeddings"]
            widths.append(len(rows[0]) if rows is not None and len(rows) else 0)
        return widths[0], widths[1] // self.per_row

    def leftovers(self) -> set[str]:
        """Return the ids of mention rows that do not count (yet), from unfinished writes."""
        touched = self._touched_by(self._journal.read(self._mentions.name)[1])
        left = self._rows_of(touched) - self._current(touched)
        return {
            each
            for some in batches(left, self._mentions.batch)
            for each in self._mentions.get(some, [])["ids"]
        }

    def unfinished(self) -> int:
        """Return the number of unfinished writes."""
        return len(self._journal.read(self._mentions.name)[1])

    @classmethod
    def open(cls, place: Place, name: str | None, encoder: VectorSource) -> Store:
        """Open a place and the index in it, creating the index if needed.

        Args:
            place: Where the index is.
            name: The index's name; None for a new unique one.
            encoder: The encoder that its vectors are, or will be, computed with.

        Raises:
            ValueError: If something else is there, or an index of another encoder.
            RuntimeError: If another process writes there, or the files are damaged.
        """
        with place.opening():
            return cls.within(place, name, encoder)

    @classmethod
    def within(cls, place: Place, name: str | None, encoder: VectorSource) -> Self:
        """As ``open``, in a place that is already being opened."""
        manifest = cls.manifest_of(encoder)
        store = cls(
            place, *chroma.open_collections(place.client, name, manifest, encoder.understands)
        )
        store._settle()
        return store

    @staticmethod
    def manifest_of(encoder: VectorSource) -> dict[str, Any]:
        """Return what a new index records of the encoder and an existing one must match."""
        return chroma.manifest_of(encoder)

    def require_own(self) -> None:
        """Check that documents may be written here."""

    def write(
        self,
        documents: Sequence[Document],
        versions: Sequence[str],
        encoded: Sequence[EncodedText],
        replaced: Mapping[str, Record],
    ) -> None:
        """Write documents and their mentions, replacing whatever was stored under their ids.

        Args:
            documents: Documents with distinct ids.
            versions: The content hash of each.
            encoded: The mentions and vectors of each.
            replaced: The records that the documents replace, by id.

        Raises:
            ValueError: If a vector contains NaN or infinity, or an id is longer than the server
                accepts; nothing is written then.
        """
        self._documents.check_ids(document.id for document in documents)
        for document, one in zip(documents, encoded, strict=True):
            check_vectors(document, one)
        new = [
            StoredDocument(document.id, version, distinct_spans(one), document)
            for document, version, one in zip(documents, versions, encoded, strict=True)
        ]
        old = [replaced[document.id] for document in documents if document.id in replaced]
        with self._written([*new, *old]):
            for rows in batches(zip(new, encoded, strict=True), 512):
                self._write_mentions(rows)
            self._write_records(list(zip(new, encoded, strict=True)), replaced)
            self._delete_mentions(self._rows_of(old) - self._rows_of(new))

    def delete(self, records: Sequence[Record]) -> None:
        """Delete documents and their mentions."""
        with self._written(records):
            self._documents.delete(record.doc_id for record in records)
            self._delete_mentions(self._rows_of(records))

    def _settle(self) -> None:
        """Let Chroma apply its log to the documents' tables; for one process at a time.

        The mentions' tables follow when they are read, which a saved mention table avoids.
        """
        self._documents.count()

    def recover(self, *, unread: bool = False) -> None:
        """Delete the mentions that interrupted writes and deletes left behind.

        Called by the writer whose turn it is, once before it writes.

        Args:
            unread: Also remove journal entries that cannot be read.

        Raises:
            RuntimeError: If a journal entry cannot be read.
        """
        if self._place.is_settled(self._mentions.name, self._token):
            return
        metadata, entries = self._journal.read(self._mentions.name)
        dead = self._journal.dead(entries)
        if not unread and any(entry.records is None for entry in dead):
            raise RuntimeError(
                "the journal of an interrupted write cannot be read: "
                "ner-retriever check DIR --repair finds the leftovers without it"
            )
        touched = self._touched_by(dead)
        going_on = self._touched_by(entry for entry in entries if entry not in dead)
        self._mentions.delete(
            self._rows_of(touched) - self._current(touched) - self._rows_of(going_on)
        )
        migrated = self._migrated(metadata)
        if dead:  # the dead process may have notified readers only of the start of its write
            doc_ids = sorted({record.doc_id for record in touched})
            migrated = self.revisions.mark(doc_ids, migrated)
        elif migrated != metadata:
            self._mentions.set_metadata(migrated)
        for entry in dead:
            self._journal.remove(entry)
        self._metadata = migrated
        self._place.settle(self._mentions.name, self._token)

    def renew(self) -> None:
        """Tell readers that anything may have changed."""
        self.revisions.renew()
        self._place.settle(self._mentions.name, None)

    def judgements(self) -> list[StoredJudgement]:
        """Return all relevance judgments."""
        return self._judgements.all()

    def judge(
        self, added: Sequence[StoredJudgement], dropped: Sequence[StoredJudgement] = ()
    ) -> None:
        """Add judgments and drop others; readers are notified.

        Raises:
            ValueError: If something else has the name of the judgments' collection.
        """
        with self._written([]):
            self._judgements.drop(dropped)
            if added:
                self._judgements.put(added)

    def drop_rows(self, row_ids: Sequence[str]) -> None:
        """Delete mention rows that belong to no document."""
        if row_ids:
            with self._written([]):
                self._mentions.delete(row_ids)

    def _migrated(self, mentions: Mapping[str, Any]) -> dict[str, Any]:
        """Return the mentions' metadata without a journal entry, upgraded from format 1 to 2.

        Records written from now on have format 2, so the documents' collection is marked too.
        """
        found = {key: value for key, value in mentions.items() if key not in (TOUCHED, SINCE)}
        if found.get(FORMAT_KEY, 1) < chroma.ONE_PER_ROW:
            found[FORMAT_KEY] = chroma.ONE_PER_ROW
            documents = self._documents.metadata()
            self._documents.set_metadata({**documents, FORMAT_KEY: chroma.ONE_PER_ROW})
        return found

    @contextmanager
    def _written(self, records: Sequence[Record]) -> Iterator[None]:
        """Wrap one write or delete; readers are notified before and after, even if it fails."""
        with self.writes_paused():
            doc_ids = [record.doc_id for record in records]
            self.recover()
            self._place.settle(self._mentions.name, None)  # until it ends
            self._begin(records, doc_ids)
            try:
                yield
            except BaseException:
                # A table built meanwhile may hold documents in a state that is out of date.
                with suppress(Exception):
                    self.revisions.mark(doc_ids)
                raise
            self._end(doc_ids)
            self._place.settle(self._mentions.name, self._token)

    def _begin(self, records: Sequence[Record], doc_ids: Sequence[str]) -> None:
        """Record in the journal what a write is about to touch."""
        if self._place.alone:
            begun = {**self._metadata, **self._journal.note(records)}
            self._metadata = self.revisions.mark(doc_ids, begun)
        else:
            self._journal.begin(records)
            self.revisions.mark(doc_ids)

    def _end(self, doc_ids: Sequence[str]) -> None:
        """Remove the journal entry."""
        if self._place.alone:
            self._metadata = self.revisions.mark(doc_ids, self._migrated(self._metadata))
        else:
            self.revisions.mark(doc_ids)
            self._journal.end()

    def _touched_by(self, writes: Iterable[Entry]) -> list[Record]:
        """Return what the given writes write and delete."""
        return [record for entry in writes for record in entry.records or ()]

    def _write_mentions(self, rows: Sequence[tuple[StoredDocument, EncodedText]]) -> None:
        ids: list[str] = []
        vectors: list[NDArray[np.float32]] = []
        for record, one in rows:
            by_span = {
                (mention.start, mention.end): vector
                for mention, vector in zip(one.mentions, one.vectors, strict=True)
            }
            if record.spans:
                ids += record.row_ids(self.per_row)
                ordered = np.stack([by_span[span] for span in record.spans])
                vectors += list(pack_rows(ordered, self.per_row))
        self._mentions.upsert(ids=ids, embeddings=vectors)

    def _write_records(
        self,
        rows: Sequence[tuple[StoredDocument, EncodedText]],
        replaced: Mapping[str, Record],
    ) -> None:
        self._documents.upsert(
            ids=[record.document.id for record, _ in rows],
            embeddings=[text_vector(one) for _, one in rows],
            documents=[record.document.text for record, _ in rows],
            metadatas=[
                self._metadata_of(record, replaced.get(record.document.id)) for record, _ in rows
            ],
        )

    def _metadata_of(self, record: StoredDocument, old: Record | None) -> dict[str, Any]:
        return row_metadata(record, old)

    def _delete_mentions(self, row_ids: Iterable[str]) -> None:
        self._mentions.delete(row_ids)
