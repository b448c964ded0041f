"""An index on a server: Chroma searches the rows of its mentions, and nothing is held here.

``<name>`` has each document once, as in a folder (:mod:`~ner_retriever_rag.storage.store`).
``<name>-mentions`` has one mention per row, compared by cosine: its words as the text, its document
and span as metadata, for any client of the server, and under keys that begin with ``ner:`` the
features that ranking needs.

There is no journal. A row's id contains its document's version. A document's record says which
version counts, and is written after the rows of that version and before those of the old one are
deleted. So what a crash leaves behind is never a result, and ``ner-retriever check`` deletes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.schema import Document, EncodedText, Span
from ner_retriever_rag.storage import chroma
from ner_retriever_rag.storage.collection import Rows
from ner_retriever_rag.storage.long_rows import LongRows
from ner_retriever_rag.storage.mention_rows import (
    DOC_ID,
    END,
    LEVEL,
    START,
    SearchedRows,
    hash_share,
    level_of,
)
from ner_retriever_rag.storage.records import Record, StoredDocument, StoredJudgement
from ner_retriever_rag.storage.store import Store

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.storage.chroma import VectorSource
    from ner_retriever_rag.storage.place import Place

# Returns the metadata that ranking needs of each of a document's mentions.
Describe = Callable[[Document, Sequence[Span]], list[dict[str, Any]]]


def open_store(place: Place, name: str | None, encoder: VectorSource, describe: Describe) -> Store:
    """Open a place and the index in it, or create one; on a server it is searched by Chroma.

    Args:
        place: Where the index is.
        name: The index's name; None for a new unique one.
        encoder: The encoder that its vectors are, or will be, computed with.
        describe: Returns the metadata that ranking needs of each mention, stored on a server.

    Raises:
        ValueError: If something else is there, or an index of another encoder, or on a server an
            index in a format that Chroma cannot search.
        RuntimeError: If another process writes there, or the files are damaged.
    """
    with place.opening():
        if chroma.is_server(place.client):
            chroma.require_searched(place.client, name)
        elif chroma.format_of(place.client, name) != chroma.SEARCHED:
            return Store.within(place, name, encoder)
        store = EngineStore.within(place, name, encoder)
        store.describe = describe
        return store


class EngineStore(Store):
    """Documents, and mentions that Chroma searches, in two collections.

    Attributes:
        describe: Returns the metadata that ranking needs of each mention.
    """

    describe: Describe

    def __init__(self, place: Place, documents: Collection, mentions: Collection) -> None:
        super().__init__(place, documents, mentions)
        self._rows = self._mentions = SearchedRows(place, mentions)

    @staticmethod
    def _own_rows(place: Place, documents: Collection) -> Rows:
        return LongRows(place, documents)

    @staticmethod
    def manifest_of(encoder: VectorSource) -> dict[str, Any]:
        """Return what a new index records of the encoder and an existing one must match."""
        return chroma.searched_manifest_of(encoder)

    @property
    def mentions(self) -> SearchedRows:
        """The mention rows."""
        return self._rows

    def rewrite(
        self,
        rows: Sequence[tuple[StoredDocument, EncodedText]],
        replaced: Mapping[str, Record],
    ) -> None:
        """Rewrite existing documents and their mentions when converting from another format."""
        self._write_mentions(rows)
        self._write_records(rows, replaced)

    def renew(self) -> None:
        """Do nothing: readers hold nothing."""

    def judge(
        self, added: Sequence[StoredJudgement], dropped: Sequence[StoredJudgement] = ()
    ) -> None:
        """Add judgments and drop others; readers, which cache them, are notified."""
        super().judge(added, dropped)
        self.revisions.mark([])

    def recover(self, *, unread: bool = False) -> None:
        """Do nothing: what a crash left behind does not count."""

    def unfinished(self) -> int:
        """Return 0: no write is recorded before it ends."""
        return 0

    def leftovers(self) -> set[str]:
        """Return no ids, as none are recorded; ``check`` finds any leftovers."""
        return set()

    def changed(self, versions: Mapping[str, str]) -> set[str]:
        """Return the ids of documents whose record now has another version or is gone."""
        now = self.records(versions)
        return {
            doc_id
            for doc_id, version in versions.items()
            if doc_id not in now or now[doc_id].version != version
        }

    def _settle(self) -> None:
        """In a folder, settle as any store does; a server maintains its own tables."""
        if self._place.alone:
            super()._settle()
            self._mentions.count()

    @contextmanager
    def _written(self, records: Sequence[Record]) -> Iterator[None]:
        with self.writes_paused():
            yield

    def _metadata_of(self, record: StoredDocument, old: Record | None) -> dict[str, Any]:
        level = level_of(hash_share(record.doc_id))
        return {**super()._metadata_of(record, old), LEVEL: level or None}

    def _write_mentions(self, rows: Sequence[tuple[StoredDocument, EncodedText]]) -> None:
        columns: dict[str, list[Any]] = {
            name: [] for name in ("ids", "embeddings", "documents", "metadatas")
        }
        for record, one in rows:
            by_span = {
                (mention.start, mention.end): vector
                for mention, vector in zip(one.mentions, one.vectors, strict=True)
            }
            text = record.document.text
            described = self.describe(record.document, record.spans)
            columns["ids"] += record.row_ids(1)
            for (start, end), features in zip(record.spans, described, strict=True):
                place = {DOC_ID: record.doc_id, START: start, END: end}
                columns["embeddings"].append(by_span[start, end])
                columns["documents"].append(text[start:end])
                columns["metadatas"].append({**place, **features})
        self._rows.upsert(**columns)
