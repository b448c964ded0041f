"""Retrieval by entity type as a LangChain ``BaseRetriever``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents import Document
from langchain_core.runnables import run_in_executor

from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.langchain.conversion import all_to_indexed, to_langchain, without_copies
from ner_retriever_rag.langchain.searching import TypeSearching
from ner_retriever_rag.schema import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromadb.api import ClientAPI

    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


class NERTypeRetriever(TypeSearching):
    """Retrieves the documents that mention entities of a type; the query is the type description.

    Results keep ``page_content``, ``id`` and the metadata they were added with, and have three
    metadata keys more: ``doc_id``, ``score`` (probability in [0, 1] of the best mention) and
    ``matches`` (a list of ``{"text", "start", "end", "score"}``, best first). Where documents have
    such keys of their own, ``metadata_prefix`` keeps both; without it they are refused.

    The query may also be a combination (``AnyOf``, ``AllOf``, ``Not``, ``Like``); with several
    types each of ``matches`` has a ``type`` too. Every field but ``index`` and
    ``metadata_prefix`` may also be given to ``invoke``, ``ainvoke`` and ``batch``. What
    ``AnswerType`` makes of a question is a query too, with its topic as ``about``.

    A retriever over an index in a folder, with the shipped encoder, can be pickled: it opens the
    folder again.

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
            index: The index; None to open or make one by the next four arguments.
            path: Folder of the index; None keeps it in memory.
            client: A Chroma client, instead of a path.
            collection: Name of the index within the folder or server.
            encoder: None for the shipped one.
            **kwargs: Fields of the retriever: ``k``, ``where``, ``score_threshold``, ``about``,
                ``metadata_prefix``, ...

        Raises:
            TypeError: If ``documents`` is no list of documents, or ``index`` no index.
            ValueError: If a document is empty, its metadata cannot be stored or would be
                overwritten by results, or ``index`` comes with what makes another.
        """
        if index is None:
            index = EntityIndex(path, client=client, collection=collection, encoder=encoder)
        elif not isinstance(index, EntityIndex):
            raise TypeError(f"index must be an EntityIndex, not a {kind_of(index)}")
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
            metadatas: Metadata of each.
            ids: Id of each; made from the content where None.
            **kwargs: As in ``from_documents``.

        Raises:
            TypeError: If ``texts`` is a single string, or holds something else.
            ValueError: If ``metadatas`` or ``ids`` are not as many as the texts; and as
                ``from_documents``.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of strings, not one string")
        texts = list(texts)
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"texts[{number}] must be a string, not a {kind_of(text)}")
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
        """Index documents; one whose id is there already is replaced.

        Args:
            documents: LangChain documents. One without an id gets one made from its content, so
                that adding it again changes nothing.
            progress: Show a progress bar.

        Returns:
            Their ids, in order.

        Raises:
            TypeError: As ``from_documents``.
            ValueError: As ``from_documents``; nothing is written then.
        """
        converted = all_to_indexed(documents, self.metadata_prefix)
        self.index.add(without_copies(converted), progress=progress)
        return [document.id for document in converted]

    async def aadd_documents(
        self, documents: Iterable[Document], *, progress: bool = False
    ) -> list[str]:
        """``add_documents`` without blocking the event loop."""
        return await run_in_executor(None, self.add_documents, documents, progress=progress)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents by id and return how many there were."""
        return self.index.delete(ids)

    async def adelete(self, ids: Sequence[str]) -> int:
        """``delete`` without blocking the event loop."""
        return await run_in_executor(None, self.delete, ids)

    def get_by_ids(self, ids: Sequence[str]) -> list[Document]:
        """Documents by id, in order, as they were added; unknown ids are left out."""
        return [to_langchain(document) for document in self.index.get(ids)]

    async def aget_by_ids(self, ids: Sequence[str]) -> list[Document]:
        """``get_by_ids`` without blocking the event loop."""
        return await run_in_executor(None, self.get_by_ids, ids)
