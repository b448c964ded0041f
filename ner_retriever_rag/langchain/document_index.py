"""The index as a LangChain ``DocumentIndex``, for ``langchain_core.indexing.index``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.indexing import DeleteResponse, UpsertResponse
from langchain_core.indexing.base import DocumentIndex

from ner_retriever_rag.langchain.base import BaseTypeRetriever
from ner_retriever_rag.langchain.conversion import deduplicate, to_indexed_documents, to_langchain


class EntityDocumentIndex(BaseTypeRetriever, DocumentIndex):
    """A document index: documents are stored by id and retrieved by entity type.

    Example:
        .. code-block:: python

            destination = EntityDocumentIndex(index=EntityIndex("folder"))
            indexing.index(loader, record_manager, destination, cleanup="incremental")
            destination.invoke("dinosaur")
    """

    def upsert(self, items: Sequence[Document], /, **kwargs: Any) -> UpsertResponse:
        """Index documents; a document with an existing id is replaced.

        Args:
            items: LangChain documents; one without an id gets an id derived from its content.
            **kwargs: ``progress=True`` shows a progress bar.

        Returns:
            All ids under ``succeeded``, in order; ``failed`` is empty, since failures raise.

        Raises:
            TypeError: If ``items`` is not a list of documents.
            ValueError: If a document is empty, or its metadata cannot be stored or would be
                overwritten by results; nothing is written in that case.
        """
        documents = to_indexed_documents(items, self.metadata_prefix)
        self.index.add(deduplicate(documents), **kwargs)
        return UpsertResponse(succeeded=[document.id for document in documents], failed=[])

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> DeleteResponse:
        """Delete documents by id.

        Args:
            ids: The ids; unknown ones are skipped.
            **kwargs: Not supported.

        Returns:
            The ids that existed, under ``succeeded``.

        Raises:
            ValueError: If ``ids`` is None.
            TypeError: If other arguments are given.
        """
        if ids is None:
            raise ValueError("ids is None: give the ids of the documents to delete")
        if kwargs:
            raise TypeError(f"unknown argument {', '.join(kwargs)}")
        there = [document.id for document in self.index.get(list(dict.fromkeys(ids)))]
        self.index.delete(there)
        return DeleteResponse(succeeded=there, num_deleted=len(there), failed=[], num_failed=0)

    def get(self, ids: Sequence[str], /, **kwargs: Any) -> list[Document]:
        """Return documents by id, in order, as they were added; unknown ids are skipped.

        Args:
            ids: The ids.
            **kwargs: Not supported.

        Raises:
            TypeError: If other arguments are given.
        """
        if kwargs:
            raise TypeError(f"unknown argument {', '.join(kwargs)}")
        return [to_langchain(document) for document in self.index.get(ids)]
