"""LangChain adapter: retrieval by entity type as a ``BaseRetriever``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import run_in_executor
from pydantic import ConfigDict, Field

from ner_retriever_rag.index import EntityIndex
from ner_retriever_rag.schema import Document as IndexedDocument
from ner_retriever_rag.schema import DocumentMatch

if TYPE_CHECKING:
    from ner_retriever_rag.encoder import TypeAwareEncoder


class NERTypeRetriever(BaseRetriever):
    """Retrieves the documents that mention entities of a type; the query is the type description.

    Results keep ``page_content``, ``id`` and the metadata they were added with, and have three
    metadata keys more: ``doc_id``, ``score`` (probability in [0, 1] of the best mention) and
    ``matches`` (a list of ``{"text", "start", "end", "score"}``, best first).

    ``k``, ``where`` and ``score_threshold`` may also be given to ``invoke`` and ``ainvoke``.

    Example:
        .. code-block:: python

            retriever = NERTypeRetriever.from_texts(["Stegosaurus lived in the Jurassic."], k=2)
            retriever.invoke("dinosaur")
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    index: EntityIndex
    """Where to look."""
    k: int | None = Field(default=4, gt=0)
    """How many documents at most; None for all above the threshold."""
    where: dict[str, Any] | None = None
    """Chroma filter on the documents' metadata."""
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    """Least score of a document; None for no bound, or 0.5 where ``k`` is None."""

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        *,
        path: str | Path | None = None,
        encoder: TypeAwareEncoder | None = None,
        **kwargs: Any,
    ) -> Self:
        """Index documents and return a retriever over them.

        Args:
            documents: LangChain documents.
            path: Folder of the index; None keeps it in memory.
            encoder: None for the shipped one.
            **kwargs: Fields of the retriever: ``k``, ``where``, ``score_threshold``.

        Raises:
            ValueError: If a document is empty or its metadata cannot be stored.
        """
        retriever = cls(index=EntityIndex(path, encoder=encoder), **kwargs)
        retriever.add_documents(documents)
        return retriever

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str] | None = None,
        path: str | Path | None = None,
        encoder: TypeAwareEncoder | None = None,
        **kwargs: Any,
    ) -> Self:
        """Index texts and return a retriever over them.

        Args:
            texts: The texts.
            metadatas: Metadata of each.
            ids: Id of each; made from the content where None.
            path: As in ``from_documents``.
            encoder: As in ``from_documents``.
            **kwargs: As in ``from_documents``.

        Raises:
            ValueError: If ``metadatas`` or ``ids`` are not as many as the texts; and as
                ``from_documents``.
        """
        texts = list(texts)
        for name, values in (("metadatas", metadatas), ("ids", ids)):
            if values is not None and len(values) != len(texts):
                raise ValueError(f"{name} is for {len(values)} texts, but there are {len(texts)}")
        documents = [
            Document(
                page_content=text,
                metadata=metadatas[number] if metadatas else {},
                id=ids[number] if ids else None,
            )
            for number, text in enumerate(texts)
        ]
        return cls.from_documents(documents, path=path, encoder=encoder, **kwargs)

    def add_documents(self, documents: Iterable[Document], *, progress: bool = False) -> list[str]:
        """Index documents; one whose id is there already is replaced.

        Args:
            documents: LangChain documents. One without an id gets one made from its content, so
                that adding it again changes nothing.
            progress: Show a progress bar.

        Returns:
            Their ids, in order.
        """
        converted = [_to_indexed(document) for document in documents]
        self.index.add(_without_copies(converted), progress=progress)
        return [document.id for document in converted]

    async def aadd_documents(
        self, documents: Iterable[Document], *, progress: bool = False
    ) -> list[str]:
        """``add_documents`` without blocking the event loop."""
        return await run_in_executor(None, self.add_documents, documents, progress=progress)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents by id and return how many there were."""
        return self.index.delete(ids)

    def get_by_ids(self, ids: Sequence[str]) -> list[Document]:
        """Documents by id, in order, as they were added; unknown ids are left out."""
        return [
            Document(page_content=each.text, id=each.id, metadata=dict(each.metadata))
            for each in self.index.get(ids)
        ]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return self._search(query, **kwargs)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return await run_in_executor(None, self._search, query, **kwargs)

    def _search(self, query: str, **kwargs: Any) -> list[Document]:
        """Search with the retriever's fields, any of which a call may override."""
        fields = {"k": self.k, "where": self.where, "score_threshold": self.score_threshold}
        if unknown := kwargs.keys() - fields.keys():
            raise TypeError(
                f"unknown argument {', '.join(sorted(unknown))}: a call takes {', '.join(fields)}"
            )
        return [to_langchain(match) for match in self.index.search(query, **(fields | kwargs))]


def to_langchain(match: DocumentMatch) -> Document:
    """A document match as a LangChain document, its matches in the metadata."""
    matches = [
        {"text": each.text, "start": each.start, "end": each.end, "score": each.score}
        for each in match.matches
    ]
    metadata = {
        **match.metadata,
        "doc_id": match.doc_id,
        "score": match.score,
        "matches": matches,
    }
    return Document(page_content=match.text, id=match.doc_id, metadata=metadata)


def _to_indexed(document: Document) -> IndexedDocument:
    if not isinstance(document, Document):
        raise TypeError(f"documents must be LangChain documents, not {type(document).__name__}")
    doc_id = document.id
    if doc_id is None:
        # Chunks may repeat a text under other metadata, so both make the id.
        content = json.dumps(
            [document.page_content, document.metadata], sort_keys=True, default=str
        )
        doc_id = sha256(content.encode()).hexdigest()[:32]
    return IndexedDocument(document.page_content, doc_id, document.metadata)


def _without_copies(documents: list[IndexedDocument]) -> list[IndexedDocument]:
    """Leave out documents that stand there twice, word for word."""
    first: dict[str, IndexedDocument] = {}
    return [
        each
        for each in documents
        if first.setdefault(each.id, each) is each or first[each.id] != each
    ]
