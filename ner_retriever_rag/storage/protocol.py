"""What every store can do: an index asks nothing else of where its documents are."""

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
    """Records of a collection, or of several as one, for reading; see ``Rows``."""

    name: str
    batch: int
    most: int | None

    def metadata(self) -> dict[str, Any]:
        """The collection's own; of several, the first one's, which has what is said of all."""

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace those."""

    def count(self) -> int:
        """How many records there are."""

    def get(self, ids: Sequence[str], include: Sequence[str], *, retry: bool = True) -> Any:
        """Records by id, at most ``batch``; unknown ids are left out."""

    def find(self, where: Mapping[str, Any], include: Sequence[str], most: int) -> Any:
        """Records that pass a filter, so many at most, and no more than ``batch``."""

    def ids(self, where: Where = None, most: int | None = None) -> list[str]:
        """The ids of all records that pass a filter, or of ``most`` of them."""

    def vectors(self, ids: Sequence[str], *, retry: bool = True) -> dict[str, NDArray[np.float32]]:
        """The vectors of records, by id; unknown ids are left out."""

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Where = None
    ) -> list[tuple[str, float]]:
        """The ids of the n records nearest to a vector, best first, with their cosines."""


class RevisionReader(Protocol):
    """What changes with every write; see ``Revisions``."""

    def current(self) -> str:
        """The current revision, whichever process wrote last; empty before the first write."""

    def touched_since(self, revision: str) -> set[str] | None:
        """Ids of the documents written or deleted since a revision; None where it is not known."""


class DocumentStore(Protocol):
    """Documents, their mentions and vectors, in one database or in several.

    Writing methods are for one thread at a time, within ``Place.writing``.
    """

    together: int
    """How many mentions' vectors are in a row of their collection."""

    @property
    def alone(self) -> bool:
        """Whether this process is the only one that can write."""

    @property
    def texts(self) -> RowReader:
        """The documents by their text vectors."""

    @property
    def mentions(self) -> RowReader:
        """The rows of mentions' vectors."""

    @property
    def revisions(self) -> RevisionReader:
        """Tells readers when to look again."""

    def still(self) -> AbstractContextManager[None]:
        """Have writers in this process wait until what is done within has been done."""

    def document_count(self) -> int:
        """How many documents there are."""

    def document_ids(self, where: Where = None) -> list[str]:
        """The ids of all documents that pass a filter."""

    def pages(self, where: Where = None, size: int = 1_000) -> Iterator[list[StoredDocument]]:
        """All documents that pass a filter, some at a time."""

    def unknown_keys(self, keys: Iterable[str]) -> set[str]:
        """Those of some metadata keys that no document has."""

    def fetch(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Documents with their records, by id; unknown ids are left out."""

    def records(self, ids: Iterable[str]) -> dict[str, Record]:
        """The records of documents, by id, without them; unknown ids are left out."""

    def replaceable(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """What a write under some ids would replace, with all that it needs to know of it."""

    def twins(self, documents: Mapping[str, Document]) -> dict[str, StoredDocument]:
        """Stored documents of the content of others, by version, whatever their ids."""

    def changed(self, versions: Mapping[str, str]) -> set[str]:
        """Those of documents that have another text now, or none, under the same revision."""

    def vectors(self, records: Iterable[Record], dim: int) -> dict[str, NDArray[np.float32]]:
        """The mentions' vectors of documents, float32 ``(mentions, dim)`` in order, by id."""

    def widths(self) -> tuple[int, int]:
        """Widths of the documents' and the mentions' vectors as stored; 0 where there are none."""

    def row_ids(self) -> list[str]:
        """The ids of all rows of mentions; some may not count (see ``leftovers``)."""

    def leftovers(self) -> set[str]:
        """Ids of rows of mentions that do not count (yet): writes that did not end wrote them."""

    def unfinished(self) -> int:
        """How many writes began and did not end."""

    def salvaged(self, doc_id: str) -> Document | None:
        """What is left of a document whose record cannot be read; None without its text."""

    def require_own(self) -> None:
        """See that documents may be written here."""

    def write(
        self,
        documents: Sequence[Document],
        versions: Sequence[str],
        encoded: Sequence[EncodedText],
        replaced: Mapping[str, Record],
    ) -> None:
        """Write documents and their mentions; whatever was stored under their ids goes."""

    def delete(self, records: Sequence[Record]) -> None:
        """Delete documents and their mentions."""

    def recover(self, *, unread: bool = False) -> None:
        """Take out the mentions that interrupted writes and deletes left over."""

    def judgements(self) -> list[StoredJudgement]:
        """What has been judged of answers."""

    def judge(
        self, added: Sequence[StoredJudgement], dropped: Sequence[StoredJudgement] = ()
    ) -> None:
        """Add judgements, and drop others."""

    def renew(self) -> None:
        """Tell readers that anything may have changed."""

    def drop_rows(self, row_ids: Sequence[str]) -> None:
        """Delete rows of mentions that belong to no document."""
