"""The index as a LangChain ``DocumentIndex``, for ``langchain_core.indexing.index``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.indexing import DeleteResponse, UpsertResponse
from langchain_core.indexing.base import DocumentIndex

from ner_retriever_rag.langchain.conversion import all_to_indexed, to_langchain, without_copies
from ner_retriever_rag.langchain.searching import TypeSearching


class EntityDocumentIndex(TypeSearching, DocumentIndex):
    """Documents in and out by id, and retrieval by entity type.

    Example:
        .. code-block:: python

            destination = EntityDocumentIndex(index=EntityIndex("folder"))
            indexing.index(loader, record_manager, destination, cleanup="incremental")
            destination.invoke("dinosaur")
    """

    def upsert(self, items: Sequence[Document], /, **kwargs: Any) -> UpsertResponse:
        """Index documents; one whose id is there already is replaced.

        Args:
            items: LangChain documents; one without an id gets one made from its content.
            **kwargs: ``progress=True`` shows a progress bar.

        Returns:
            All ids under ``succeeded``, in order; ``failed`` is empty, as failures raise.

        Raises:
            TypeError: If ``items`` is no list of documents.
            ValueError: If a document is empty, or its metadata cannot be stored or would be
                overwritten by results; nothing is written then.
        """
        documents = all_to_indexed(items, self.metadata_prefix)
        self.index.add(without_copies(documents), **kwargs)
        return UpsertResponse(succeeded=[document.id for document in documents], failed=[])

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> DeleteResponse:
        """Delete documents by id.

        Args:
            ids: The ids; unknown ones are skipped.
            **kwargs: None are known.

        Returns:
            The ids that were there under ``succeeded``.

        Raises:
            ValueError: If ``ids`` is None.
            TypeError: If there are other arguments.
        """
        if ids is None:
            raise ValueError("ids: say which documents to delete")
        if kwargs:
            raise TypeError(f"unknown argument {', '.join(kwargs)}")
        there = [document.id for document in self.index.get(list(dict.fromkeys(ids)))]
        self.index.delete(there)
        return DeleteResponse(succeeded=there, num_deleted=len(there), failed=[], num_failed=0)

    def get(self, ids: Sequence[str], /, **kwargs: Any) -> list[Document]:
        """Documents by id, in order, as they were added; unknown ids are left out.

        Args:
            ids: The ids.
            **kwargs: None are known.

        Raises:
            TypeError: If there are other arguments.
        """
        if kwargs:
            raise TypeError(f"unknown argument {', '.join(kwargs)}")
        return [to_langchain(document) for document in self.index.get(ids)]
