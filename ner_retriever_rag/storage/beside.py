"""An index beside a Chroma collection that somebody else writes, whose documents it is of.

Their collection ``<name>`` keeps the documents: ids, texts, embeddings, metadata. It is read, and
never written. ``<name>-ner`` in the same database holds of each document its text vector and its
record, with no text and no metadata of theirs, and ``<name>-ner-mentions`` the mentions' vectors,
both as in any index (:mod:`~ner_retriever_rag.storage.store`).

Nothing says when they write, so a record's version is the hash of the text it was made from, and a
document is joined with its record only while its text has that hash: spans of an old text are never
put on a new one. What they have changed is left out until the next ``sync``.
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
        self._theirs = Rows(place, theirs)

    @staticmethod
    def _own_rows(place: Place, documents: Collection) -> Rows:
        return TextVectors(place, documents)

    @classmethod
    def over(cls, place: Place, theirs: Collection, encoder: VectorSource) -> BesideStore:
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

    def replaceable(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """Our records, which are of texts that may have changed."""
        return self.records(ids)

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
        for doc_id, metadata, _ in self._of_versions(documents, ["metadatas"]):
            record = record_of(doc_id, metadata)
            twin = Document(documents[record.version].text, doc_id)
            found[record.version] = StoredDocument(doc_id, record.version, record.spans, twin)
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
