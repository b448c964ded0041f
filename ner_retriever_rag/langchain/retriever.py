"""Retrieval by entity type as a LangChain ``BaseRetriever``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents import Document
from langchain_core.runnables import run_in_executor

from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.langchain.base import BaseTypeRetriever
from ner_retriever_rag.langchain.conversion import deduplicate, to_indexed_documents, to_langchain
from ner_retriever_rag.schema import type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromadb.api import ClientAPI

    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


class NERTypeRetriever(BaseTypeRetriever):
    """Retrieves the documents that mention entities of a type; the query is the type description.

    Results keep the ``page_content``, ``id`` and metadata they were added with, plus three
    metadata keys: ``doc_id``, ``score`` (probability in [0, 1] of the best mention) and
    ``matches`` (a list of ``{"text", "start", "end", "score"}``, best first). If documents already
    have such keys, ``metadata_prefix`` keeps both; without it they are refused.

    The query can also be a combination (``AnyOf``, ``AllOf``, ``Not``, ``Like``); with several
    types, each match also has a ``type``. Every field except ``index`` and
    ``metadata_prefix`` can also be passed to ``invoke``, ``ainvoke`` and ``batch``. The output of
    ``AnswerType`` is also accepted as a query, with its topic as ``about``.

    A retriever over an index in a folder, with the shipped encoder, can be pickled: unpickling
    opens the folder again.

    Example:
        .. code-block:: python

            retriever = NERTypeRetriever.from_texts(["Stegosaurus lived in the Jurassic."], k=2)
            retriever.invoke("dinosaur")
    """

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        *,
        index: EntityIndex | None = None,
        path: str | Path | None = None,
        client: ClientAPI | None = None,
        collection: str | None = None,
        encoder: TypeAwareEncoder | None = None,
        **kwargs: Any,
    ) -> Self:
        """Index documents and return a retriever over them.

        Args:
            documents: LangChain documents.
            index: The index; None to open or create one with the next four arguments.
            path: Folder of the index; None keeps it in memory.
            client: A Chroma client, instead of a path.
            collection: Name of the index within the folder or server.
            encoder: None for the shipped one.
            **kwargs: Fields of the retriever: ``k``, ``where``, ``score_threshold``, ``about``,
                ``metadata_prefix``, ...

        Raises:
            TypeError: If ``documents`` is not a list of documents, or ``index`` not an index.
            ValueError: If a document is empty, its metadata cannot be stored or would be
                overwritten by results, or ``index`` is combined with arguments that create one.
        """
        if index is None:
            index = EntityIndex(path, client=client, collection=collection, encoder=encoder)
        elif not isinstance(index, EntityIndex):
            raise TypeError(f"index must be an EntityIndex, not a {type_name(index)}")
        elif any(each is not None for each in (path, client, collection, encoder)):
            raise ValueError("give index, or path, client, collection and encoder, not both")
        retriever = cls(index=index, **kwargs)
        retriever.add_documents(documents)
        return retriever

    @classmethod
    async def afrom_documents(cls, documents: Iterable[Document], **kwargs: Any) -> Self:
        """``from_documents`` without blocking the event loop."""
        return await run_in_executor(None, cls.from_documents, documents, **kwargs)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any]] | None = None,
        *,
        ids: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Index texts and return a retriever over them.

        Args:
            texts: The texts.
            metadatas: Metadata of each text.
            ids: Id of each text; derived from its content if None.
            **kwargs: As in ``from_documents``.

        Raises:
            TypeError: If ``texts`` is a single string, or contains anything but strings.
            ValueError: If the number of ``metadatas`` or ``ids`` differs from that of the texts;
                and as in ``from_documents``.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of strings, not one string")
        texts = list(texts)
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"texts[{number}] must be a string, not a {type_name(text)}")
        metadatas = [{} for _ in texts] if metadatas is None else list(metadatas)
        given = [None for _ in texts] if ids is None else list(ids)
        for name, values in (("metadatas", metadatas), ("ids", given)):
            if len(values) != len(texts):
                raise ValueError(f"{name} is for {len(values)} texts, but there are {len(texts)}")
        documents = [
            Document(page_content=text, metadata=metadata, id=doc_id)
            for text, metadata, doc_id in zip(texts, metadatas, given, strict=True)
        ]
        return cls.from_documents(documents, **kwargs)

    @classmethod
    async def afrom_texts(
        cls, texts: Iterable[str], metadatas: Iterable[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Self:
        """``from_texts`` without blocking the event loop."""
        return await run_in_executor(None, cls.from_texts, texts, metadatas, **kwargs)

    def add_documents(self, documents: Iterable[Document], *, progress: bool = False) -> list[str]:
        """Index documents; a document with an existing id is replaced.

        Args:
            documents: LangChain documents. One without an id gets an id derived from its content,
                so that adding it again changes nothing.
            progress: Show a progress bar.

        Returns:
            Their ids, in order.

        Raises:
            TypeError: As in ``from_documents``.
            ValueError: As in ``from_documents``; nothing is written in that case.
        """
        converted = to_indexed_documents(documents, self.metadata_prefix)
        self.index.add(deduplicate(converted), progress=progress)
        return [document.id for document in converted]

    async def aadd_documents(
        self, documents: Iterable[Document], *, progress: bool = False
    ) -> list[str]:
        """``add_documents`` without blocking the event loop."""
        return await run_in_executor(None, self.add_documents, documents, progress=progress)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents by id and return the number deleted."""
        return self.index.delete(ids)

    async def adelete(self, ids: Sequence[str]) -> int:
        """``delete`` without blocking the event loop."""
        return await run_in_executor(None, self.delete, ids)

    def get_by_ids(self, ids: Sequence[str]) -> list[Document]:
        """Return documents by id, in order, as they were added; unknown ids are skipped."""
        return [to_langchain(document) for document in self.index.get(ids)]

    async def aget_by_ids(self, ids: Sequence[str]) -> list[Document]:
        """``get_by_ids`` without blocking the event loop."""
        return await run_in_executor(None, self.get_by_ids, ids)
