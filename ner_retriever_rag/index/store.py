"""The index's storage: documents, mentions, and writes that leave nothing half done.

Two Chroma collections. ``<name>`` holds each document once: its text vector, the caller's
metadata, and under keys that begin with ``ner:`` its text, its version (a hash of its content) and
the spans of its mentions. ``<name>-mentions`` holds the mentions' vectors. A mention's id says all
there is to say about it, ``<document id>#<version>:<start>-<end>``; its metadata are its
document's, for filters.

A document's record is what makes its mentions count. Mentions of a new version are written before
the record, those of the old one deleted after it, and a journal in the collection's metadata names
both, so that what a crash leaves over is found and taken out at the next open.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.chroma import JOURNAL_KEY, REVISION_KEY
from ner_retriever_rag.index.metadata import DOCUMENT_ONLY, RESERVED, where_error
from ner_retriever_rag.index.text_vectors import TextVectors
from ner_retriever_rag.schema import Document, EncodedText

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

_TEXT, _VERSION, _SPANS = "ner:text", "ner:version", "ner:spans"
T = TypeVar("T")
_MAX_IDS = 5_000  # Chroma hands at most 32,766 ids to SQLite at once; this is well below


class MentionKey(NamedTuple):
    """What a mention's id says."""

    doc_id: str
    version: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.doc_id}#{self.version}:{self.start}-{self.end}"

    @classmethod
    def parse(cls, mention_id: str) -> MentionKey:
        """Read an id written by ``str``."""
        doc_id, _, place = mention_id.rpartition("#")
        version, _, span = place.partition(":")
        start, _, end = span.partition("-")
        return cls(doc_id, version, int(start), int(end))


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document's record.

    Attributes:
        document: As it was added.
        version: Hash of its content.
        spans: Its mentions.
    """

    document: Document
    version: str
    spans: list[tuple[int, int]]

    @property
    def mention_ids(self) -> list[str]:
        """Ids of its mentions."""
        return [str(MentionKey(self.document.id, self.version, *span)) for span in self.spans]


def version_of(document: Document, given: Sequence[tuple[int, int]] | None) -> str:
    """Hash of a document's content: text, metadata, and the spans given by the caller, if any."""
    content = json.dumps(
        [document.text, sorted(document.metadata.items()), given and sorted(map(tuple, given))],
        default=str,
    )
    return sha256(content.encode()).hexdigest()[:16]


class Store:
    """Documents and mentions in two Chroma collections.

    Not for several writers at once: the caller sees to that.
    """

    def __init__(self, client: ClientAPI, documents: Collection, mentions: Collection) -> None:
        self._client, self._documents, self._mentions = client, documents, mentions
        self.texts = TextVectors(documents)
        self._batch = min(client.get_max_batch_size(), _MAX_IDS)
        self._manifest = {
            key: value
            for key, value in (mentions.metadata or {}).items()
            if key not in (JOURNAL_KEY, REVISION_KEY)
        }
        self._touched: list[str] = []
        self._writes: deque[tuple[str, str, list[str]]] = deque(maxlen=128)
        self.recover()

    def document_count(self) -> int:
        """How many documents there are."""
        return self._documents.count()

    def mention_count(self) -> int:
        """How many mentions there are."""
        return self._mentions.count()

    def revision(self) -> str:
        """What changes with every write, whoever writes."""
        collection = self._client.get_collection(self._mentions.name, embedding_function=None)
        return str((collection.metadata or {}).get(REVISION_KEY, ""))

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

    def widths(self) -> tuple[int, int]:
        """Widths of the documents' and the mentions' vectors as stored; 0 where there are none."""
        widths = []
        for collection in (self._documents, self._mentions):
            rows = collection.get(limit=1, include=["embeddings"])["embeddings"]
            widths.append(len(rows[0]) if rows is not None and len(rows) else 0)
        return widths[0], widths[1]

    def fetch(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """The records of documents, by id; unknown ids are left out."""
        found = {}
        for batch in _batches(ids, self._batch):
            rows = self._documents.get(ids=batch, include=["metadatas"])
            for doc_id, metadata in zip(rows["ids"], rows["metadatas"] or [], strict=True):
                found[doc_id] = _stored(doc_id, metadata)
        return found

    def pages(self, size: int = 1_000) -> Iterator[list[StoredDocument]]:
        """All documents, some at a time."""
        for offset in range(0, self.document_count(), size):
            rows = self._documents.get(limit=size, offset=offset, include=["metadatas"])
            yield [
                _stored(doc_id, metadata)
                for doc_id, metadata in zip(rows["ids"], rows["metadatas"] or [], strict=True)
            ]

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
        """
        new = [
            StoredDocument(document, version, _distinct_spans(one))
            for document, version, one in zip(documents, versions, encoded, strict=True)
        ]
        old = [replaced[document.id] for document in documents if document.id in replaced]
        self._begin([*new, *old])
        for batch in _batches(zip(new, encoded, strict=True), 512):
            self._write_mentions(batch)
        for rows in _batches(zip(new, encoded, strict=True), self._batch):
            self._write_records(rows, replaced)
        self._delete_mentions(
            set().union(*(record.mention_ids for record in old))
            - set().union(*(record.mention_ids for record in new))
        )
        self._end()

    def delete(self, records: Sequence[StoredDocument]) -> None:
        """Delete documents and their mentions."""
        self._begin(records)
        for ids in _batches((record.document.id for record in records), self._batch):
            self._documents.delete(ids=ids)
        self._delete_mentions(set().union(*(record.mention_ids for record in records)))
        self._end()

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Mapping[str, Any] | None
    ) -> list[tuple[MentionKey, float]]:
        """The n mentions nearest to a vector, best first, with their cosines.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """
        try:
            rows = self._mentions.query(
                query_embeddings=vector[None],
                n_results=max(1, min(n, self.mention_count())),
                where=dict(where) if where else None,
                include=["distances"],
            )
        except Exception as error:
            raise where_error(where, error) from error
        distances = (rows["distances"] or [[]])[0]
        return [
            (MentionKey.parse(mention_id), 1.0 - distance)
            for mention_id, distance in zip(rows["ids"][0], distances, strict=True)
        ]

    def scan(
        self, where: Mapping[str, Any] | None, size: int = 5_000
    ) -> Iterator[tuple[list[MentionKey], NDArray[np.float32]]]:
        """All mentions and their vectors, some at a time.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """
        for offset in range(0, self.mention_count(), size):
            try:
                rows = self._mentions.get(
                    limit=size,
                    offset=offset,
                    where=dict(where) if where else None,
                    include=["embeddings"],
                )
            except Exception as error:
                raise where_error(where, error) from error
            if not rows["ids"]:
                return
            keys = [MentionKey.parse(mention_id) for mention_id in rows["ids"]]
            yield keys, np.asarray(rows["embeddings"], dtype=np.float32)

    def vectors(self, mention_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The vectors of mentions, by id."""
        found: dict[str, NDArray[np.float32]] = {}
        for batch in _batches(mention_ids, self._batch):
            rows = self._mentions.get(ids=batch, include=["embeddings"])
            embeddings = np.asarray(rows["embeddings"], dtype=np.float32)
            found.update(zip(rows["ids"], embeddings, strict=True))
        return found

    def recover(self) -> None:
        """Take out the mentions that an interrupted write or delete left over."""
        journal = (self._mentions.metadata or {}).get(JOURNAL_KEY)
        if not journal:
            return
        touched = [
            str(MentionKey(doc_id, version, start, end))
            for doc_id, version, spans in json.loads(str(journal))
            for start, end in spans
        ]
        doc_ids = dict.fromkeys(MentionKey.parse(mention_id).doc_id for mention_id in touched)
        kept = set().union(*(record.mention_ids for record in self.fetch(doc_ids).values()))
        self._touched = list(doc_ids)
        self._delete_mentions(set(touched) - kept)
        self._end()

    def _begin(self, records: Sequence[StoredDocument]) -> None:
        """Write down what is about to be touched; first clear up after an earlier failure."""
        self.recover()
        journal = [[record.document.id, record.version, record.spans] for record in records]
        self._touched = [record.document.id for record in records]
        self._mark(**{JOURNAL_KEY: json.dumps(journal)})

    def _end(self) -> None:
        self._mark()

    def _mark(self, **more: str) -> None:
        """Set the collection's metadata, with a new revision."""
        before, after = self.revision(), uuid4().hex
        self._mentions.modify(metadata={**self._manifest, REVISION_KEY: after, **more})
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
            metadatas += [_filterable(record.document) or None] * len(record.spans)
        for start in range(0, len(ids), self._batch):
            some = slice(start, start + self._batch)
            self._mentions.upsert(
                ids=ids[some],
                embeddings=np.asarray(vectors[some]),
                metadatas=metadatas[some] if any(metadatas[some]) else None,
            )

    def _write_records(
        self,
        rows: Sequence[tuple[StoredDocument, EncodedText]],
        replaced: Mapping[str, StoredDocument],
    ) -> None:
        self._documents.upsert(
            ids=[record.document.id for record, _ in rows],
            embeddings=[_text_vector(one) for _, one in rows],  # type: ignore[arg-type]
            metadatas=[_metadata(record, replaced.get(record.document.id)) for record, _ in rows],
        )

    def _delete_mentions(self, mention_ids: Iterable[str]) -> None:
        for batch in _batches(mention_ids, self._batch):
            self._mentions.delete(ids=batch)


def _stored(doc_id: str, metadata: Mapping[str, Any]) -> StoredDocument:
    own = {key: value for key, value in metadata.items() if not key.startswith(RESERVED)}
    spans = [(start, end) for start, end in json.loads(metadata[_SPANS])]
    return StoredDocument(Document(metadata[_TEXT], doc_id, own), metadata[_VERSION], spans)


def _metadata(record: StoredDocument, old: StoredDocument | None) -> dict[str, Any]:
    # Chroma merges metadata on upsert: keys the new version lacks have to be taken out by name.
    gone = dict.fromkeys(old.document.metadata) if old else {}
    return {
        **gone,
        **record.document.metadata,
        _TEXT: record.document.text,
        _VERSION: record.version,
        _SPANS: json.dumps(record.spans, separators=(",", ":")),
    }


def _filterable(document: Document) -> dict[str, Any]:
    """The metadata that a document's mentions carry."""
    return {k: v for k, v in document.metadata.items() if not k.startswith(DOCUMENT_ONLY)}


def _text_vector(encoded: EncodedText) -> NDArray[np.float32]:
    # Chroma wants a vector with every record; a cut backbone has none for the whole text.
    return np.ones(1, dtype=np.float32) if encoded.text_vector is None else encoded.text_vector


def _distinct_spans(encoded: EncodedText) -> list[tuple[int, int]]:
    return list(dict.fromkeys((mention.start, mention.end) for mention in encoded.mentions))


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
