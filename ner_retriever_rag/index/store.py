"""The index's storage: documents, mentions, and writes that leave nothing half done.

Two Chroma collections. ``<name>`` holds each document once: its text vector, its text, the caller's
metadata, and under keys that begin with ``ner:`` its version (a hash of its content) and the spans
of its mentions. ``<name>-mentions`` holds the mentions' vectors. A mention's id says all there is
to say about it, ``<document id>#<version>:<start>-<end>``; its metadata are its document's, for
filters.

A document's record is what makes its mentions count. Mentions of a new version are written before
the record, those of the old one deleted after it, and a journal names both, so that what a crash
leaves over is passed over by those who read and taken out by the next write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index import chroma
from ner_retriever_rag.index.collection import Rows, Where, batches
from ner_retriever_rag.index.journal import TOUCHED, Entry, Journal
from ner_retriever_rag.index.records import (
    VERSION,
    MentionKey,
    StoredDocument,
    from_row,
    mention_metadata,
    row_metadata,
    version_of,
)
from ner_retriever_rag.schema import Document, EncodedText, Mention

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.index.place import Place

__all__ = ["MentionKey", "Store", "StoredDocument", "version_of"]


class Store:
    """Documents and mentions in two Chroma collections.

    Its writing methods are for one thread at a time, within ``Place.writing``.

    Args:
        place: Where the collections are.
        documents: The documents' collection.
        mentions: The mentions' collection.
    """

    def __init__(self, place: Place, documents: Collection, mentions: Collection) -> None:
        self._documents, self._mentions = Rows(place, documents), Rows(place, mentions)
        self._journal = Journal(place, documents.name)
        self._touched: list[str] = []
        self._writes: deque[tuple[str, str, list[str]]] = deque(maxlen=128)

    @property
    def texts(self) -> Rows:
        """The documents by their text vectors."""
        return self._documents

    def revision(self) -> str:
        """What changes with every write, whoever writes."""
        return str(self._mentions.metadata().get(chroma.REVISION_KEY, ""))

    def touched_since(self, revision: str) -> set[str] | None:
        """Ids of the documents written or deleted since a revision; None where it is not known.

        It is known of this store's own last writes, with none of another writer between them.
        """
        touched: set[str] = set()
        now = self.revision()
        for before, after, doc_ids in reversed(self._writes):
            if now == revision:
                return touched
            if after != now:
                return None
            touched.update(doc_ids)
            now = before
        return touched if now == revision else None

    def settle(self) -> None:
        """Let Chroma bring its tables up to date with its log; for one process at a time."""
        self._documents.count()
        self._mentions.count()

    def document_count(self) -> int:
        """How many documents there are."""
        return self._documents.count()

    def mention_count(self) -> int:
        """How many mentions there are, without those of writes that did not end."""
        left = self._leftovers(self._journal.entries(self._mentions.metadata()))
        there = [
            each for some in batches(left, 5_000) for each in self._mentions.get(some, [])["ids"]
        ]
        return self._mentions.count() - len(there)

    def widths(self) -> tuple[int, int]:
        """Widths of the documents' and the mentions' vectors as stored; 0 where there are none."""
        widths = []
        for table in (self._documents, self._mentions):
            rows = table.first(["embeddings"])["embeddings"]
            widths.append(len(rows[0]) if rows is not None and len(rows) else 0)
        return widths[0], widths[1]

    def fetch(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """The records of documents, by id; unknown ids are left out."""
        found = {}
        for some in batches(ids, self._documents.batch):
            rows = self._documents.get(some, ["metadatas", "documents"])
            for doc_id, metadata, text in zip(
                rows["ids"], rows["metadatas"] or [], rows["documents"] or [], strict=True
            ):
                found[doc_id] = from_row(doc_id, metadata, text)
        return found

    def live(self, keys: Iterable[MentionKey]) -> dict[MentionKey, StoredDocument]:
        """The mentions that count, in order, with their documents as they are now.

        The others are of versions that have been replaced or deleted, or not written to the end;
        their spans fit another text.
        """
        wanted = list(keys)
        records = self.fetch(dict.fromkeys(key.doc_id for key in wanted))
        return {
            key: records[key.doc_id]
            for key in wanted
            if key.doc_id in records and records[key.doc_id].version == key.version
        }

    def document_ids(self, where: Where = None) -> list[str]:
        """The ids of all documents that pass a filter.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """
        return self._documents.ids(where)

    def mention_ids(self, where: Where = None) -> list[str]:
        """The ids of all mentions that pass a filter; some may not count (see ``live``).

        Raises:
            ValueError: If Chroma refuses ``where``.
        """
        return self._mentions.ids(where)

    def pages(self, where: Where = None, size: int = 1_000) -> Iterator[list[StoredDocument]]:
        """All documents that pass a filter, some at a time.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """
        for some in batches(self.document_ids(where), size):
            yield list(self.fetch(some).values())

    def by_version(self, versions: Iterable[str]) -> dict[str, StoredDocument]:
        """Documents by their versions, where one has it; whatever their ids."""
        found: dict[str, StoredDocument] = {}
        for some in batches(versions, 500):
            doc_ids = self.document_ids({VERSION: {"$in": some}})
            found.update((each.version, each) for each in self.fetch(doc_ids).values())
        return found

    def encoded(self, records: Mapping[str, StoredDocument]) -> dict[str, EncodedText]:
        """The mentions and vectors of documents as they are stored, under the same keys.

        One that has not all of its vectors is left out.
        """
        vectors = self.vectors([each for one in records.values() for each in one.mention_ids])
        texts = self.texts.vectors([one.document.id for one in records.values()])
        encoded = {}
        for key, one in records.items():
            if vectors.keys() >= set(one.mention_ids) and one.document.id in texts:
                rows = [vectors[each] for each in one.mention_ids]
                text = texts[one.document.id]
                encoded[key] = EncodedText(
                    [Mention(one.document.text[a:b], a, b) for a, b in one.spans],
                    np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32),
                    text if len(text) > 1 else None,  # 1: the placeholder of a cut backbone
                )
        return encoded

    def write(
        self,
        documents: Sequence[Document],
        versions: Sequence[str],
        encoded: Sequence[EncodedText],
        replaced: Mapping[str, StoredDocument],
    ) -> None:
        """Write documents and their mentions; whatever was stored under their ids goes.

        Args:
            documents: Documents with different ids.
            versions: The content hash of each.
            encoded: The mentions and vectors of each.
            replaced: The records that the documents replace, by id.

        Raises:
            ValueError: If a vector holds NaN or infinity; nothing is written then.
        """
        for document, one in zip(documents, encoded, strict=True):
            _check_vectors(document, one)
        new = [
            StoredDocument(document, version, _distinct_spans(one))
            for document, version, one in zip(documents, versions, encoded, strict=True)
        ]
        old = [replaced[document.id] for document in documents if document.id in replaced]
        self._begin([*new, *old])
        for rows in batches(zip(new, encoded, strict=True), 512):
            self._write_mentions(rows)
        self._write_records(list(zip(new, encoded, strict=True)), replaced)
        self._delete_mentions(
            set().union(*(record.mention_ids for record in old))
            - set().union(*(record.mention_ids for record in new))
        )
        self._end()

    def delete(self, records: Sequence[StoredDocument]) -> None:
        """Delete documents and their mentions."""
        self._begin(records)
        self._documents.delete(record.document.id for record in records)
        self._delete_mentions(set().union(*(record.mention_ids for record in records)))
        self._end()

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Mapping[str, Any] | None
    ) -> list[tuple[MentionKey, float]]:
        """The n mentions nearest to a vector, best first, with their cosines.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """
        return [
            (MentionKey.parse(mention_id), similarity)
            for mention_id, similarity in self._mentions.nearest(vector, n, where)
        ]

    def scan(
        self, where: Mapping[str, Any] | None, size: int = 5_000
    ) -> Iterator[tuple[list[MentionKey], NDArray[np.float32]]]:
        """All mentions and their vectors, some at a time.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """
        for some in batches(self.mention_ids(where), size):
            if found := self.vectors(some):
                yield [MentionKey.parse(each) for each in found], np.stack(list(found.values()))

    def vectors(self, mention_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The vectors of mentions, by id; unknown ids are left out."""
        return self._mentions.vectors(mention_ids)

    def recover(self) -> None:
        """Take out the mentions that interrupted writes and deletes left over.

        For the writer whose turn it is.

        Raises:
            RuntimeError: If a journal cannot be read.
        """
        metadata = self._mentions.metadata()
        entries = self._journal.entries(metadata)
        dead = self._journal.dead(entries)
        if any(entry.mention_ids is None for entry in dead):
            raise RuntimeError(
                "the journal of an interrupted write cannot be read: "
                "ner-retriever check DIR --repair finds what was left over without it"
            )
        going_on = [entry for entry in entries if entry not in dead]
        busy = set().union(*(entry.mention_ids or () for entry in going_on))
        self._delete_mentions(self._leftovers(dead) - busy)
        for entry in dead:
            self._journal.strike(entry)
        self._migrate(metadata)

    def _leftovers(self, entries: Iterable[Entry]) -> set[str]:
        """What writes that did not end may have left among the mentions."""
        touched = set().union(*(entry.mention_ids or () for entry in entries))
        doc_ids = dict.fromkeys(MentionKey.parse(mention_id).doc_id for mention_id in touched)
        kept = set().union(*(record.mention_ids for record in self.fetch(doc_ids).values()))
        return touched - kept

    def _migrate(self, mentions: Mapping[str, Any]) -> None:
        """Mark an index of format 1 as one of this format, which its next records will be."""
        if TOUCHED in mentions or mentions.get(chroma.FORMAT_KEY) != chroma.FORMAT:
            for table in (self._documents, self._mentions):
                found = {**table.metadata(), chroma.FORMAT_KEY: chroma.FORMAT}
                found.pop(TOUCHED, None)
                table.set_metadata(found)

    def _begin(self, records: Sequence[StoredDocument]) -> None:
        """Write down what is about to be touched; first clear up after an earlier failure."""
        self.recover()
        self._journal.begin(records)
        self._touched = [record.document.id for record in records]
        self._mark()

    def _end(self) -> None:
        self._mark()
        self._journal.end()

    def _mark(self) -> None:
        """Give the index a new revision."""
        found = self._mentions.metadata()
        before, after = str(found.get(chroma.REVISION_KEY, "")), uuid4().hex
        self._mentions.set_metadata({**found, chroma.REVISION_KEY: after})
        self._writes.append((before, after, self._touched))

    def _write_mentions(self, rows: Sequence[tuple[StoredDocument, EncodedText]]) -> None:
        ids: list[str] = []
        vectors: list[NDArray[np.float32]] = []
        metadatas: list[Any] = []
        for record, one in rows:
            by_span = {
                (mention.start, mention.end): vector
                for mention, vector in zip(one.mentions, one.vectors, strict=True)
            }
            ids += record.mention_ids
            vectors += [by_span[span] for span in record.spans]
            metadatas += [mention_metadata(record.document) or None] * len(record.spans)
        columns = {"metadatas": metadatas} if any(metadatas) else {}
        self._mentions.upsert(ids=ids, embeddings=vectors, **columns)

    def _write_records(
        self,
        rows: Sequence[tuple[StoredDocument, EncodedText]],
        replaced: Mapping[str, StoredDocument],
    ) -> None:
        self._documents.upsert(
            ids=[record.document.id for record, _ in rows],
            embeddings=[_text_vector(one) for _, one in rows],
            documents=[record.document.text for record, _ in rows],
            metadatas=[
                row_metadata(record, replaced.get(record.document.id)) for record, _ in rows
            ],
        )

    def _delete_mentions(self, mention_ids: Iterable[str]) -> None:
        self._mentions.delete(mention_ids)


def _check_vectors(document: Document, one: EncodedText) -> None:
    vectors = [one.vectors] if one.text_vector is None else [one.vectors, one.text_vector]
    if not all(np.isfinite(each).all() for each in vectors):
        raise ValueError(f"the encoder's vectors for document {document.id!r} hold NaN or infinity")


def _text_vector(encoded: EncodedText) -> NDArray[np.float32]:
    # Chroma wants a vector with every record; a cut backbone has none for the whole text.
    return np.ones(1, dtype=np.float32) if encoded.text_vector is None else encoded.text_vector


def _distinct_spans(encoded: EncodedText) -> list[tuple[int, int]]:
    return list(dict.fromkeys((mention.start, mention.end) for mention in encoded.mentions))
