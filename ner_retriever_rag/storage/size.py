"""The storage size of an index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ner_retriever_rag.storage.protocol import DocumentStore

FLOAT32 = 4  # bytes; Chroma stores vectors as float32, whatever the encoder computes in


@dataclass(frozen=True, slots=True)
class Storage:
    """The size of an index.

    Attributes:
        documents: Number of documents.
        mentions: Number of mentions, each with a vector.
        mention_width: Width of a mention's vector as stored.
        text_width: Width of a document's vector as stored; 1, a placeholder, if the encoder has no
            text vectors.
        text_bytes: Size of the documents' texts in UTF-8.
        disk_bytes: Size of all files in the index's folder (of all collections in it), with texts,
            metadata, the nearest-neighbor graph and Chroma's log; None without a folder.
    """

    documents: int
    mentions: int
    mention_width: int
    text_width: int
    text_bytes: int
    disk_bytes: int | None = None

    @property
    def mention_vector_bytes(self) -> int:
        """Size of the mention vectors."""
        return self.mentions * self.mention_width * FLOAT32

    @property
    def vector_bytes(self) -> int:
        """Size of all vectors, including those of the documents."""
        return self.mention_vector_bytes + self.documents * self.text_width * FLOAT32


def measure_storage(store: DocumentStore, folder: Path | None = None) -> Storage:
    """Measure an index. Reads every document once.

    Args:
        store: The index's storage.
        folder: Its folder, if it is on disk.
    """
    text_bytes = mentions = 0
    for stored in (each for page in store.pages() for each in page):
        text_bytes += len(stored.document.text.encode())
        mentions += len(stored.spans)
    text_width, mention_width = store.widths()
    return Storage(
        documents=store.document_count(),
        mentions=mentions,
        mention_width=mention_width,
        text_width=text_width,
        text_bytes=text_bytes,
        disk_bytes=None if folder is None else disk_usage(folder),
    )


def disk_usage(folder: Path) -> int:
    """Return the size of all files in a folder and its subfolders, in bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
