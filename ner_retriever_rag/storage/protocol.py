"""The store interface: everything an index requires of the place where its documents are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import Document, EncodedText
from ner_retriever_rag.storage.records import Record, StoredDocument, StoredJudgement

Where = Mapping[str, Any] | None


class RowReader(Protocol):
    """Read access to the records of one collection, or of several as one; see ``Rows``."""

    name: str
    batch: int
    max_results: int | None

    def metadata(self) -> dict[str, Any]:
        """Return the collection's metadata; of several, the first one's, which apply to all."""

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the collection's metadata."""

    def count(self) -> int:
        """Return the number of records."""

    def get(self, ids: Sequence[str], include: Sequence[str], *, retry: bool = True) -> Any:
        """Get records by id, at most ``batch``; unknown ids are ignored."""

    def find(self, where: Mapping[str, Any], include: Sequence[str], most: int) -> Any:
        """Get records that pass a filter, at most ``most`` and no more than ``batch``."""

    def ids(self, where: Where = None, most: int | None = None) -> list[str]:
        """Return the ids of all records that pass a filter, or of ``most`` of them."""

    def vectors(self, ids: Sequence[str], *, retry: bool = True) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of records, by id; unknown ids are ignored."""

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Where = None
    ) -> list[tuple[str, float]]:
        """Return the ids of the n records nearest to a vector, best first, with their cosines."""


class RevisionReader(Protocol):
    """The revision of an index, which changes with every write; see ``Revisions``."""

    def current(self) -> str:
        """Return the current revision, across processes; empty before the first write."""

    def touched_since(self, revision: str) -> set[str] | None:
        """Return the ids of documents written or deleted since a revision; None if unknown."""


class DocumentStore(Protocol):
    """Documents, their mentions and vectors, in one database or in several.

    Writing methods may be called by one thread at a time, within ``Place.writing``.
    """

    per_row: int
    """Number of mention vectors per row of their collection."""

    @property
    def alone(self) -> bool:
        """Whether this process is the only one that can write."""

    @property
    def texts(self) -> RowReader:
        """The documents' rows, with their text vectors."""

    @property
    def mentions(self) -> RowReader:
        """The rows of mention vectors."""

    @property
    def revisions(self) -> RevisionReader:
        """The revision, which tells readers when to read again."""

    def writes_paused(self) -> AbstractContextManager[None]:
        """Make the writers of this process wait until the context ends."""

    def document_count(self) -> int:
        """Return the number of documents."""

    def document_ids(self, where: Where = None) -> list[str]:
        """Return the ids of all documents that pass a filter."""

    def pages(self, where: Where = None, size: int = 1_000) -> Iterator[list[StoredDocument]]:
        """Yield all documents that pass a filter, in batches."""

    def unknown_keys(self, keys: Iterable[str]) -> set[str]:
        """Return those of the metadata keys that no document has."""

    def fetch(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Return documents with their records, by id; unknown ids are ignored."""

    def records(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return documents' records, by id, without the documents; unknown ids are ignored."""

    def replaceable(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """Return what a write to these ids would replace, in the detail that the write needs."""

    def twins(self, documents: Mapping[str, Document]) -> dict[str, StoredDocument]:
        """Return stored documents with the content of the given ones, by version, under any id."""

    def changed(self, versions: Mapping[str, str]) -> set[str]:
        """Return the ids whose text has changed or is gone though the revision is the same."""

    def vectors(self, records: Iterable[Record], dim: int) -> dict[str, NDArray[np.float32]]:
        """Return the mention vectors of documents, float32 ``(mentions, dim)`` in order, by id."""

    def widths(self) -> tuple[int, int]:
        """Return the stored widths of the text and mention vectors; 0 where there are none."""

    def row_ids(self) -> list[str]:
        """Return the ids of all mention rows; some may not count (see ``leftovers``)."""

    def leftovers(self) -> set[str]:
        """Return the ids of mention rows that do not count (yet), from unfinished writes."""

    def unfinished(self) -> int:
        """Return the number of unfinished writes."""

    def salvaged(self, doc_id: str) -> Document | None:
        """Return what is left of a document with an unreadable record; None without its text."""

    def require_own(self) -> None:
        """Check that documents may be written here."""

    def write(
        self,
        documents: Sequence[Document],
        versions: Sequence[str],
        encoded: Sequence[EncodedText],
        replaced: Mapping[str, Record],
    ) -> None:
        """Write documents and their mentions, replacing whatever was stored under their ids."""

    def delete(self, records: Sequence[Record]) -> None:
        """Delete documents and their mentions."""

    def recover(self, *, unread: bool = False) -> None:
        """Delete the mentions that interrupted writes and deletes left behind."""

    def judgements(self) -> list[StoredJudgement]:
        """Return all relevance judgments."""

    def judge(
        self, added: Sequence[StoredJudgement], dropped: Sequence[StoredJudgement] = ()
    ) -> None:
        """Add judgments and drop others."""

    def renew(self) -> None:
        """Tell readers that anything may have changed."""

    def drop_rows(self, row_ids: Sequence[str]) -> None:
        """Delete mention rows that belong to no document."""
