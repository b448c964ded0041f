"""An index beside a Chroma collection that somebody else writes, whose documents it is of.

Their collection ``<name>`` keeps the documents: ids, texts, embeddings, metadata. It is read, and
never written. ``<name>-ner`` in the same database holds of each document its text vector and its
record, with no text and no metadata of theirs, and ``<name>-ner-mentions`` the mentions' vectors,
both as in any index (:mod:`~ner_retriever_rag.index.store`).

Nothing says when they write, so a record's version is the hash of the text it was made from, and a
document is joined with its record only while its text has that hash: spans of an old text are never
put on a new one. What they have changed is left out until the next ``sync``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ner_retriever_rag.encoder.ahead import ahead
from ner_retriever_rag.index import chroma
from ner_retriever_rag.index.collection import Rows, Where, batches
from ner_retriever_rag.index.recall import stored_encodings
from ner_retriever_rag.index.records import (
    VERSION,
    Record,
    StoredDocument,
    row_metadata,
    text_vector,
    version_of,
)
from ner_retriever_rag.index.store import Store
from ner_retriever_rag.index.writing import BATCH, in_batches
from ner_retriever_rag.schema import AddReport, Document, EncodedText, Failure, SyncReport

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.index.place import Place

_PAGE = 1_000  # documents compared at once


class TextVectors(Rows):
    """Text vectors without the metadata of their documents."""

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Where = None
    ) -> list[tuple[str, float]]:
        """As of any rows, but of all, whether they pass a filter or not."""
        return super().nearest(vector, n)


class BesideStore(Store):
    """Records and mentions of documents that are in somebody else's collection.

    Args:
        place: Where the collections are.
        documents: The records' collection.
        mentions: The mentions' collection.
        theirs: The documents' collection.
    """

    def __init__(
        self, place: Place, documents: Collection, mentions: Collection, theirs: Collection
    ) -> None:
        super().__init__(place, documents, mentions)
        self._documents, self._theirs = TextVectors(place, documents), Rows(place, theirs)

    @classmethod
    def over(cls, place: Place, theirs: Collection, encoder: TypeAwareEncoder) -> BesideStore:
        """Take hold of a collection's database and open, or make, the index beside it.

        Raises:
            ValueError: If something else has the index's name, or it was made by another encoder.
            RuntimeError: If another process writes there, or the files are damaged.
        """
        with place.opening():
            manifest = {**chroma.manifest_of(encoder), chroma.BESIDE_KEY: theirs.name}
            ours = chroma.open_collections(
                place.client, f"{theirs.name}-ner", manifest, encoder.understands
            )
            store = cls(place, *ours, theirs)
            store._settle()
        return store

    def require_own(self) -> None:
        """See that documents may be written, which they may not: they are not ours.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(
            f"the documents of this index are in the collection {self._theirs.name!r}: add and "
            "delete them there, with the store that wrote it, then call sync()"
        )

    def fetch(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Their documents with our records, where a record is of the text that is there now."""
        found = {}
        for some in batches(ids, self._documents.batch):
            records = self.records(some)
            rows = self._theirs.get(list(records), ["documents", "metadatas"]) if records else {}
            for doc_id, text, metadata in zip(
                *(rows.get(key) or [] for key in ("ids", "documents", "metadatas")), strict=True
            ):
                if text and version_of(Document(text), None) == (record := records[doc_id]).version:
                    document = Document(text, doc_id, metadata or {})
                    found[doc_id] = StoredDocument(doc_id, record.version, record.spans, document)
        return found

    def changed(self, versions: Mapping[str, str]) -> set[str]:
        """Those of documents that have another text now, or none."""
        now = self.fetch(versions)
        return {
            doc_id
            for doc_id, version in versions.items()
            if doc_id not in now or now[doc_id].version != version
        }

    def document_ids(self, where: Where = None) -> list[str]:
        """The ids of all documents that pass a filter; with one, those without a record too."""
        return (self._theirs if where else self._documents).ids(where)

    def all_ids(self) -> list[str]:
        """The ids of all documents there are now, whether they have a record or not."""
        return self._theirs.ids()

    def texts_of(self, ids: Sequence[str]) -> dict[str, str | None]:
        """The texts of documents as they are now, None of one that has none."""
        rows = self._theirs.get(ids, ["documents"])
        return dict(zip(rows["ids"], rows["documents"], strict=True))

    def twins(self, documents: Mapping[str, Document]) -> dict[str, StoredDocument]:
        """Records that have the text of a document, whatever their ids.

        Args:
            documents: Documents by their versions.

        Returns:
            By version, where there is one.
        """
        found = {}
        for some in batches(documents, BATCH):
            for record in self.records(self._documents.ids({VERSION: {"$in": some}})).values():
                twin = Document(documents[record.version].text, record.doc_id)
                found[record.version] = StoredDocument(
                    record.doc_id, record.version, record.spans, twin
                )
        return found

    def _settle(self) -> None:
        super()._settle()
        self._theirs.count()

    def _write_records(
        self, rows: Sequence[tuple[StoredDocument, EncodedText]], replaced: Mapping[str, Record]
    ) -> None:
        self._documents.upsert(
            ids=[record.doc_id for record, _ in rows],
            embeddings=[text_vector(one) for _, one in rows],
            metadatas=[row_metadata(record, None) for record, _ in rows],
        )


def sync(store: BesideStore, encoder: TypeAwareEncoder, *, progress: bool) -> SyncReport:
    """Follow what was written to their collection; ``EntityIndex.sync`` explains.

    Args:
        store: The store; the caller holds its place.
        encoder: What encodes new texts.
        progress: Show a progress bar.
    """
    report, there = AddReport(), set[str]()
    ids = store.all_ids()  # all at once: pages of a collection that is being written shift
    with tqdm(total=len(ids), unit="document", disable=not progress, smoothing=0.05) as bar:
        for some in batches(ids, _PAGE):
            documents, failed = _documents(store.texts_of(some))
            there.update(document.id for document in documents)
            for done in _follow(store, encoder, documents):
                report += done
                bar.update(done.added + done.replaced + done.unchanged)
            report += AddReport(failed=failed)
            bar.update(len(failed))
    # Last, so that a document under a new id finds the vectors it had under the old one.
    gone = [doc_id for doc_id in store.document_ids() if doc_id not in there]
    for some in batches(gone, BATCH):
        store.delete(list(store.records(some).values()))
    # Readers may have left out a document that has its old text again.
    store.revisions.renew()
    return SyncReport(**{**asdict(report), "failed": report.failed}, deleted=len(gone))


def _documents(texts: Mapping[str, str | None]) -> tuple[list[Document], tuple[Failure, ...]]:
    """Texts as documents without metadata, and those that can be none."""
    documents, failed = [], []
    for doc_id, text in texts.items():
        try:
            documents.append(Document(text, doc_id))  # type: ignore[arg-type]  # refused below
        except (TypeError, ValueError) as error:
            failed.append(Failure(doc_id, str(error)))
    return documents, tuple(failed)


def _follow(
    store: BesideStore, encoder: TypeAwareEncoder, documents: Sequence[Document]
) -> Iterator[AddReport]:
    """Write the records of documents that have none, or one of another text; say so as it goes."""
    versions = {document.id: version_of(document, None) for document in documents}
    records = store.records(versions)
    todo = [
        document
        for document in documents
        if document.id not in records or records[document.id].version != versions[document.id]
    ]
    yield AddReport(unchanged=len(documents) - len(todo))

    def known(batch: Sequence[Document]) -> tuple[Sequence[Document], dict[str, EncodedText]]:
        twins = store.twins({versions[document.id]: document for document in batch})
        return batch, stored_encodings(store, twins, encoder.dim)

    def encode(batch: tuple[Sequence[Document], dict[str, EncodedText]]) -> dict[str, EncodedText]:
        documents, stored = batch
        texts = {versions[document.id]: document.text for document in documents}
        new = {version: text for version, text in texts.items() if version not in stored}
        return dict(zip(new, encoder.encode(list(new.values())) if new else [], strict=True))

    plans = map(known, in_batches(todo, lambda document: document.text))
    for (batch, stored), found in ahead(encode, plans, encoder.threads):
        encoded = stored | found
        ones = [encoded[versions[document.id]] for document in batch]
        store.write(batch, [versions[document.id] for document in batch], ones, records)
        replaced = sum(document.id in records for document in batch)
        mentions = sum(len(one.mentions) for one in ones)
        yield AddReport(len(batch) - replaced, replaced, mentions=mentions)
