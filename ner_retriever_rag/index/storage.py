"""What an index takes in storage, and what a dense sentence index of the same texts would take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ner_retriever_rag.detection.sentences import sentences

if TYPE_CHECKING:
    from ner_retriever_rag.index.store import Store

FLOAT32 = 4  # bytes; Chroma stores vectors in float32, whatever the encoder computes in
RIVAL_WIDTH = 4_096  # of E5-Mistral and NV-Embed v2, the dense rivals of arXiv 2509.04011


@dataclass(frozen=True, slots=True)
class Storage:
    """The size of an index.

    Attributes:
        documents: How many documents.
        mentions: How many mentions, each with a vector.
        sentences: How many sentences the documents have
            (:func:`ner_retriever_rag.detection.sentences.sentences`).
        mention_width: Width of a mention's vector as stored.
        text_width: Width of a document's vector as stored; 1, a placeholder, where the encoder has
            no text vectors.
        text_bytes: Size of the documents' texts in UTF-8.
        disk_bytes: Size of all files of the index's folder (of all collections in it), with texts,
            metadata, the nearest-neighbour graph and Chroma's log; None without a folder.
        rival_width: Width of the vectors of the sentence index compared with.
    """

    documents: int
    mentions: int
    sentences: int
    mention_width: int
    text_width: int
    text_bytes: int
    disk_bytes: int | None = None
    rival_width: int = RIVAL_WIDTH

    @property
    def mention_vector_bytes(self) -> int:
        """Size of the mentions' vectors."""
        return self.mentions * self.mention_width * FLOAT32

    @property
    def vector_bytes(self) -> int:
        """Size of all vectors, those of the documents too."""
        return self.mention_vector_bytes + self.documents * self.text_width * FLOAT32

    @property
    def rival_bytes(self) -> int:
        """Size of the vectors of an index with one float32 vector a sentence, and nothing else."""
        return self.sentences * self.rival_width * FLOAT32

    def saving(self, size: int | None) -> float | None:
        """The share of the sentence index's vectors that ``size`` bytes save.

        Returns:
            1 is all, 0 nothing, negative more than the sentence index takes; None where there is
            no size or no sentence.
        """
        return None if size is None or not self.rival_bytes else 1 - size / self.rival_bytes


def measure_storage(
    store: Store, folder: Path | None = None, *, rival_width: int = RIVAL_WIDTH
) -> Storage:
    """Measure an index. Reads every document once, to count its sentences.

    Args:
        store: The index's storage.
        folder: Where it is on disk, if it is.
        rival_width: Width of the vectors of the sentence index to compare with.
    """
    count = text_bytes = 0
    for page in store.pages():
        for stored in page:
            count += sum(1 for _ in sentences(stored.document.text))
            text_bytes += len(stored.document.text.encode())
    text_width, mention_width = store.widths()
    return Storage(
        documents=store.document_count(),
        mentions=store.mention_count(),
        sentences=count,
        mention_width=mention_width,
        text_width=text_width,
        text_bytes=text_bytes,
        disk_bytes=None if folder is None else disk_usage(folder),
        rival_width=rival_width,
    )


def disk_usage(folder: Path) -> int:
    """Size of all files in a folder and the folders in it, in bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
