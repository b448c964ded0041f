"""An index of the documents in a Chroma collection that another program writes.

That program's collection ``<name>`` holds the documents: ids, texts, embeddings, metadata. It is
read and never written. ``<name>-ner`` in the same database holds each document's text vector and
record, without its text and metadata, and ``<name>-ner-mentions`` holds the mention vectors, both
as in any index (:mod:`~ner_retriever_rag.storage.store`).

Nothing signals when that program writes. So a record's version is the hash of the text it was made
from, and a document is joined with its record only while its text has that hash: spans of an old
text are never applied to a new one. Changed documents are left out until the next ``sync``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import Document, EncodedText
from ner_retriever_rag.storage import chroma
from ner_retriever_rag.storage.collection import Rows, batches
from ner_retriever_rag.storage.protocol import Where
from ner_retriever_rag.storage.records import (
    Record,
    StoredDocument,
    record_of,
    row_metadata,
    text_vector,
    version_of,
)
from ner_retriever_rag.storage.store import Store

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.storage.chroma import VectorSource
    from ner_retriever_rag.storage.place import Place


class TextVectors(Rows):
    """Text vectors without their documents' metadata."""

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Where = None
    ) -> list[tuple[str, float]]:
        """As :meth:`Rows.nearest`, but among all records, whether they pass the filter or not."""
        return super().nearest(vector, n)


class BesideStore(Store):
    """Records and mentions of documents in a collection that another program writes.

    Args:
        place: Where the collections are.
        documents: The records' collection.
        mentions: The mentions' collection.
        external: The documents' collection.
    """

    def __init__(
        self, place: Place, documents: Collection, mentions: Collection, external: Collection
    ) -> None:
        super().__init__(place, documents, mentions)
        self._external = Rows(place, external)

    @staticmethod
    def _own_rows(place: Place, documents: Collection) -> Rows:
        return TextVectors(place, documents)

    @classmethod
    def open_over(cls, place: Place, external: Collection, encoder: VectorSource) -> BesideStore:
        """Open a collection's database and the index beside it, creating the index if needed.

        Raises:
            ValueError: If something else has the index's name, or another encoder made it.
            RuntimeError: If another process writes there, or the files are damaged.
        """
        with place.opening():
            manifest = {**chroma.manifest_of(encoder), chroma.BESIDE_KEY: external.name}
            ours = chroma.open_collections(
                place.client, f"{external.name}-ner", manifest, encoder.understands
            )
            store = cls(place, *ours, external)
            store._settle()
        return store

    def require_own(self) -> None:
        """Refuse to write documents: they belong to another program.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(
            f"the documents of this index are in the collection {self._external.name!r}: add and "
            "delete them there, with the store that wrote it, then call sync()"
        )

    def fetch(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Return documents with the index's records, where the record matches the current text."""
        found = {}
        for some in batches(ids, self._documents.batch):
            records = self.records(some)
            rows = self._external.get(list(records), ["documents", "metadatas"]) if records else {}
            for doc_id, text, metadata in zip(
                *(rows.get(key) or [] for key in ("ids", "documents", "metadatas")), strict=True
            ):
                if text and version_of(Document(text), None) == (record := records[doc_id]).version:
                    document = Document(text, doc_id, metadata or {})
                    found[doc_id] = StoredDocument(doc_id, record.version, record.spans, document)
        return found

    def replaceable(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """Return the index's records, whose texts may have changed since."""
        return self.records(ids)

    def changed(self, versions: Mapping[str, str]) -> set[str]:
        """Return the ids of documents whose text has changed or is gone."""
        now = self.fetch(versions)
        return {
            doc_id
            for doc_id, version in versions.items()
            if doc_id not in now or now[doc_id].version != version
        }

    def document_ids(self, where: Where = None) -> list[str]:
        """Return the ids of documents that pass a filter; with one, also those without a record."""
        return (self._external if where else self._documents).ids(where)

    def all_ids(self) -> list[str]:
        """Return the ids of all current documents, with or without a record."""
        return self._external.ids()

    def texts_of(self, ids: Sequence[str]) -> dict[str, str | None]:
        """Return the current texts of documents; None for one without text."""
        rows = self._external.get(ids, ["documents"])
        return dict(zip(rows["ids"], rows["documents"], strict=True))

    def twins(self, documents: Mapping[str, Document]) -> dict[str, StoredDocument]:
        """Return records made from the texts of the given documents, under any id.

        Args:
            documents: Documents by version.

        Returns:
            The records by version, where there is one.
        """
        found = {}
        for doc_id, metadata, _ in self._of_versions(documents, ["metadatas"]):
            record = record_of(doc_id, metadata)
            twin = Document(documents[record.version].text, doc_id)
            found[record.version] = StoredDocument(doc_id, record.version, record.spans, twin)
        return found

    def _settle(self) -> None:
        super()._settle()
        self._external.count()

    def _write_records(
        self, rows: Sequence[tuple[StoredDocument, EncodedText]], replaced: Mapping[str, Record]
    ) -> None:
        self._documents.upsert(
            ids=[record.doc_id for record, _ in rows],
            embeddings=[text_vector(one) for _, one in rows],
            metadatas=[row_metadata(record, None) for record, _ in rows],
        )
