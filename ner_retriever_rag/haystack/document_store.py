"""An ``EntityIndex`` as a Haystack document store, for a pipeline's writers and retrievers."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils.filters import document_matches_filter

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.schema import Document as IndexedDocument


class EntityDocumentStore:
    """A document store that indexes documents by the entities they mention.

    It stores a document's content, id and metadata, but not embeddings, scores or binary data;
    a document without content is refused. Underneath it is an ``EntityIndex``, which can be
    opened by all other interfaces of this package, too.

    Args:
        path: Folder of the index, created if needed, or the address of a Chroma server; None
            keeps it in memory.
        collection: Name of the index within the folder or server.
        encoder: Folder or hub id of a saved encoder; None for the shipped one.
        max_batch: As for ``EntityIndex``.
        index: An open index, instead of the other arguments; such a store cannot be serialized.

    Raises:
        ValueError: If ``index`` is combined with any other argument.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        collection: str | None = None,
        encoder: str | Path | None = None,
        max_batch: int | None = None,
        index: EntityIndex | None = None,
    ) -> None:
        others = (path, collection, encoder, max_batch)
        if index is not None and any(each is not None for each in others):
            raise ValueError("give index, or path, collection, encoder and max_batch, not both")
        self._path, self._collection, self._max_batch = path, collection, max_batch
        self._encoder, self._index, self._owns_index = encoder, index, index is None
        self._lock = threading.Lock()

    @property
    def index(self) -> EntityIndex:
        """The index, opened when it is first needed."""
        with self._lock:
            if self._index is None:
                named = self._encoder
                self._index = EntityIndex(
                    self._path,
                    collection=self._collection,
                    max_batch=self._max_batch,
                    encoder=None if named is None else TypeAwareEncoder.from_pretrained(named),
                )
            return self._index

    def to_dict(self) -> dict[str, Any]:
        """Serialize the location of the index; the documents of one in memory are not included.

        Raises:
            ValueError: If the store was given an open index.
        """
        if not self._owns_index:
            raise ValueError(
                "a store over an open index cannot be serialized: create it by path, collection "
                "and encoder"
            )
        paths = {"path": self._path, "encoder": self._encoder}
        return default_to_dict(
            self,
            **{name: None if each is None else str(each) for name, each in paths.items()},
            collection=self._collection,
            max_batch=self._max_batch,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EntityDocumentStore:
        """Create the store that ``to_dict`` describes."""
        store: EntityDocumentStore = default_from_dict(cls, data)
        return store

    def count_documents(self) -> int:
        """Return the number of documents."""
        return self.index.count()

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Return the documents whose content, id and metadata match a filter, in any order.

        Args:
            filters: A Haystack filter, with the semantics of Haystack's in-memory store; None for
                all documents.

        Raises:
            FilterError: If the filter is malformed.
        """
        documents = map(to_haystack, self.index.documents())
        if not filters:
            return list(documents)
        return [each for each in documents if document_matches_filter(filters, each)]

    def write_documents(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Index documents.

        Args:
            documents: Documents with content.
            policy: How to handle documents whose ids exist: ``SKIP``, ``OVERWRITE``, or
                ``FAIL``, which is what ``NONE`` means here.

        Returns:
            Number of documents written.

        Raises:
            DuplicateDocumentError: If an id exists, or occurs twice, and the policy is to fail;
                nothing is written in that case.
            ValueError: If an element is not a document or has no content, or its metadata cannot
                be stored; nothing is written in that case.
        """
        if not isinstance(documents, list) or any(
            not isinstance(each, Document) for each in documents
        ):
            raise ValueError("documents must be a list of Haystack documents")
        skips = policy == DuplicatePolicy.SKIP
        there = set() if policy == DuplicatePolicy.OVERWRITE else self._ids_of(documents)
        wanted: dict[str, Document] = {}
        for document in documents:
            if policy == DuplicatePolicy.OVERWRITE:
                wanted[document.id] = document
            elif document.id not in there:
                there.add(document.id)
                wanted[document.id] = document
            elif not skips:
                raise DuplicateDocumentError(f"document {document.id!r} already exists")
        self.index.add([to_indexed(each) for each in wanted.values()])
        return len(documents) if policy == DuplicatePolicy.OVERWRITE else len(wanted)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete documents by id; unknown ids are skipped."""
        self.index.delete(document_ids)

    async def count_documents_async(self) -> int:
        """``count_documents`` without blocking the event loop."""
        return await asyncio.to_thread(self.count_documents)

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """``filter_documents`` without blocking the event loop."""
        return await asyncio.to_thread(self.filter_documents, filters)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """``write_documents`` without blocking the event loop."""
        return await asyncio.to_thread(self.write_documents, documents, policy)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """``delete_documents`` without blocking the event loop."""
        await asyncio.to_thread(self.delete_documents, document_ids)

    def close(self) -> None:
        """Release the index's folder; the next use reopens it. An index passed in stays open."""
        with self._lock:
            if self._index is not None and self._owns_index:
                self._index.close()
                self._index = None

    def _ids_of(self, documents: list[Document]) -> set[str]:
        """Return the ids of those documents that are already in the index."""
        return {each.id for each in self.index.get(list({one.id for one in documents}))}


def to_haystack(document: IndexedDocument, **result: Any) -> Document:
    """Convert a document of the index to a Haystack document.

    Args:
        document: The document.
        result: ``score``, and metadata keys that a search adds.
    """
    score = result.pop("score", None)
    meta = {**document.metadata, **result}
    return Document(id=document.id, content=document.text, meta=meta, score=score)


def to_indexed(document: Document) -> IndexedDocument:
    """Convert a Haystack document to a document to index.

    Raises:
        ValueError: If it has no content.
    """
    if document.content is None or not document.content.strip():
        raise ValueError(f"document {document.id!r} has no content, and only text can be indexed")
    return IndexedDocument(document.content, document.id, document.meta)
