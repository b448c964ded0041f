"""What is stored of documents and mentions, as values and as rows in Chroma."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import Document, EncodedText, Span, require_spans
from ner_retriever_rag.storage.metadata import merge, split
from ner_retriever_rag.storage.values import RESERVED, encoded

TEXT_OF_FORMAT_1 = "ner:text"
VERSION, SPANS, REST = "ner:version", "ner:spans", "ner:metadata"


class RowKey(NamedTuple):
    """The content of a mention row's id.

    Attributes:
        doc_id: The document of the mentions.
        version: Hash of its content.
        spans: The mentions whose vectors are side by side in the row.
    """

    doc_id: str
    version: str
    spans: tuple[Span, ...]

    def __str__(self) -> str:
        spans = ",".join(f"{start}-{end}" for start, end in self.spans)
        return f"{self.doc_id}#{self.version}:{spans}"

    @classmethod
    def parse(cls, row_id: str) -> RowKey:
        """Parse an id written by ``str``."""
        doc_id, _, place = row_id.rpartition("#")
        version, _, spans = place.partition(":")
        starts_and_ends = (each.partition("-") for each in spans.split(","))
        return cls(doc_id, version, tuple((int(a), int(b)) for a, _, b in starts_and_ends))


@dataclass(frozen=True, slots=True)
class Record:
    """What the index records of a document, without the document itself.

    Attributes:
        doc_id: Its id.
        version: Hash of its content.
        spans: Its mentions.
    """

    doc_id: str
    version: str
    spans: list[tuple[int, int]]

    def row_ids(self, per_row: int) -> list[str]:
        """Return the ids of the rows of its mention vectors, with ``per_row`` vectors in each."""
        return [
            str(RowKey(self.doc_id, self.version, tuple(self.spans[first : first + per_row])))
            for first in range(0, len(self.spans), per_row)
        ]


@dataclass(frozen=True, slots=True)
class StoredDocument(Record):
    """A document with its record.

    Attributes:
        document: As it was added.
    """

    document: Document


@dataclass(frozen=True, slots=True, eq=False)
class StoredJudgement:
    """A relevance judgment of a mention.

    Attributes:
        type: The type description.
        doc_id: The mention's document.
        span: Its span in the document.
        right: Whether it is of the type.
        informative: Whether it is evidence about other mentions; see ``Judgements``.
        log_odds: The log odds that ranking gave it when it was judged.
        vector: float32 ``(dim,)``, the mention's vector.
    """

    type: str
    doc_id: str
    span: Span
    right: bool
    informative: bool
    log_odds: float
    vector: NDArray[np.float32]

    @property
    def id(self) -> str:
        """Id of its row; equal for the same mention and type, so judging again replaces the row."""
        kind = sha256(self.type.encode()).hexdigest()[:16]
        return f"{kind}:{self.doc_id}#{self.span[0]}-{self.span[1]}"


def version_of(document: Document, given: Sequence[tuple[int, int]] | None) -> str:
    """Hash a document's content: text, metadata, and the spans given by the caller, if any."""
    metadata = sorted((key, encoded(value)) for key, value in document.metadata.items())
    content = json.dumps(
        [document.text, metadata, given and sorted(map(tuple, given))],
        default=str,
    )
    return sha256(content.encode()).hexdigest()[:16]


class DamagedRecordError(RuntimeError):
    """The record of a document cannot be read.

    Args:
        doc_id: The document.
    """

    def __init__(self, doc_id: str) -> None:
        super().__init__(
            f"the record of document {doc_id!r} cannot be read: "
            "ner-retriever check DIR --repair rebuilds it from its text"
        )


_DAMAGED = (KeyError, ValueError, TypeError, AttributeError, RecursionError)


def record_of(doc_id: str, metadata: Mapping[str, Any]) -> Record:
    """Read a record from the metadata of its row in Chroma.

    Raises:
        DamagedRecordError: If the metadata holds no valid record.
    """
    try:
        spans = [(start, end) for start, end in json.loads(metadata[SPANS])]
        return Record(doc_id, metadata[VERSION], spans)
    except _DAMAGED as error:
        raise DamagedRecordError(doc_id) from error


def from_row(doc_id: str, metadata: Mapping[str, Any], text: str | None) -> StoredDocument:
    """Read a document and its record from its row in Chroma.

    Args:
        doc_id: Its id.
        metadata: The row's metadata.
        text: The row's text; None in format 1, which has it in the metadata.

    Raises:
        DamagedRecordError: If it cannot be read, or has spans that do not fit the text.
    """
    record = record_of(doc_id, metadata)
    try:
        own = {key: value for key, value in metadata.items() if not key.startswith(RESERVED)}
        text = metadata[TEXT_OF_FORMAT_1] if text is None else text
        document = Document(text, doc_id, merge(own, metadata.get(REST)))
        require_spans(record.spans, text, SPANS)
    except _DAMAGED as error:
        raise DamagedRecordError(doc_id) from error
    return StoredDocument(doc_id, record.version, record.spans, document)


def salvaged(doc_id: str, metadata: Mapping[str, Any] | None, text: str | None) -> Document | None:
    """Recover a document from a row with an unreadable record: its text and readable metadata."""
    found = metadata or {}
    own = {key: value for key, value in found.items() if not key.startswith(RESERVED)}
    text = text or found.get(TEXT_OF_FORMAT_1)
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return Document(text, doc_id, merge(own, found.get(REST)))
    except _DAMAGED:
        return Document(text, doc_id, own)


def row_metadata(record: StoredDocument, old: Record | None) -> dict[str, Any]:
    """Return a document's metadata in Chroma; its text is stored as Chroma's document text.

    Args:
        record: The record to write.
        old: The record it replaces, if any.
    """
    plain, rest = split(record.document.metadata)
    # Chroma merges metadata on upsert: keys the new version lacks must be removed by name. Remove
    # all of them, as an earlier version of the package may have stored as plain values what is now
    # in the JSON.
    keys = old.document.metadata if isinstance(old, StoredDocument) else {}
    gone = dict.fromkeys([*keys, TEXT_OF_FORMAT_1]) if old else {}
    return {
        **gone,
        **plain,
        VERSION: record.version,
        SPANS: json.dumps(record.spans, separators=(",", ":")),
        REST: rest,
    }


def check_vectors(document: Document, one: EncodedText) -> None:
    """Check that an encoder's vectors are finite.

    Raises:
        ValueError: If a value is NaN or infinite.
    """
    vectors = [one.vectors] if one.text_vector is None else [one.vectors, one.text_vector]
    if not all(np.isfinite(each).all() for each in vectors):
        raise ValueError(f"the encoder's vectors for document {document.id!r} hold NaN or infinity")


def text_vector(encoded: EncodedText) -> NDArray[np.float32]:
    """Return the vector stored for a document."""
    # Chroma requires a vector for every record; a truncated backbone has none for the whole text.
    return np.ones(1, dtype=np.float32) if encoded.text_vector is None else encoded.text_vector


def pack_rows(vectors: NDArray[np.float32], per_row: int) -> NDArray[np.float32]:
    """Pack mention vectors into rows, float32 ``(rows, per_row * dim)``, the last zero-padded.

    Args:
        vectors: float32 ``(mentions, dim)``.
        per_row: Number of vectors per row.
    """
    mentions, dim = vectors.shape
    rows = np.zeros((-(-mentions // per_row), per_row * dim), dtype=np.float32)
    rows.reshape(-1, dim)[:mentions] = vectors
    return rows


def unpack_rows(
    rows: Sequence[NDArray[np.float32]], mentions: int, dim: int
) -> NDArray[np.float32]:
    """Unpack the vectors that ``pack_rows`` packed, float32 ``(mentions, dim)``."""
    vectors = np.zeros(0, dtype=np.float32) if not rows else np.concatenate(rows)
    return vectors.reshape(-1, dim)[:mentions]


def distinct_spans(encoded: EncodedText) -> list[tuple[int, int]]:
    """Return the spans of mentions, deduplicated."""
    return list(dict.fromkeys((mention.start, mention.end) for mention in encoded.mentions))
