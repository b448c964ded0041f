"""An index on a server: its mentions are rows that Chroma searches, and nothing is held here.

``<name>`` has each document once, as in a folder (:mod:`~ner_retriever_rag.storage.store`).
``<name>-mentions`` has one mention a row, by cosine: its words as the text, its document and place
as metadata, for any client of the server; and under keys that begin with ``ner:`` what ranking
needs of it.

There is no journal. A row's id has its document's version; a document's record says which version
counts, and is written after the rows of its own and before those of the old one are deleted. So
what a crash leaves over is never an answer, and ``ner-retriever check`` takes it out.
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

# What ranking needs of a document's mentions, as metadata of each.
Describe = Callable[[Document, Sequence[Span]], list[dict[str, Any]]]


def open_store(place: Place, name: str | None, encoder: VectorSource, describe: Describe) -> Store:
    """Take hold of a place and open the index there, or make one: Chroma searches it on a server.

    Args:
        place: Where.
        name: The index's name; None for one that nothing else has.
        encoder: What its vectors are, or will be, made by.
        describe: What is stored of mentions for ranking, on a server.

    Raises:
        ValueError: If something else is there, or an index of another encoder, or on a server one
            from before it was searched there.
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
        describe: What is stored of mentions for ranking.
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
        """What a new index records of the encoder, and an old one has to agree with."""
        return chroma.searched_manifest_of(encoder)

    @property
    def mentions(self) -> SearchedRows:
        """The rows of mentions."""
        return self._rows

    def rewrite(
        self,
        rows: Sequence[tuple[StoredDocument, EncodedText]],
        replaced: Mapping[str, Record],
    ) -> None:
        """Write documents again that are there, with the mentions of each, as another format's."""
        self._write_mentions(rows)
        self._write_records(rows, replaced)

    def renew(self) -> None:
        """Nothing to do: readers hold nothing."""

    def judge(
        self, added: Sequence[StoredJudgement], dropped: Sequence[StoredJudgement] = ()
    ) -> None:
        """Add judgements, and drop others; readers, which cache them, are notified."""
        super().judge(added, dropped)
        self.revisions.mark([])

    def recover(self, *, unread: bool = False) -> None:
        """Nothing to take out: what a crash left over does not count."""

    def unfinished(self) -> int:
        """None: no write is noted before it ends."""
        return 0

    def leftovers(self) -> set[str]:
        """None that are known; ``check`` finds those there are."""
        return set()

    def changed(self, versions: Mapping[str, str]) -> set[str]:
        """Those of documents whose record says another version now, or that have none."""
        now = self.records(versions)
        return {
            doc_id
            for doc_id, version in versions.items()
            if doc_id not in now or now[doc_id].version != version
        }

    def _settle(self) -> None:
        """Of a folder as any store; a server keeps its own tables."""
        if self._place.alone:
            super()._settle()
            self._mentions.count()

    @contextmanager
    def _written(self, records: Sequence[Record]) -> Iterator[None]:
        with self.still():
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
