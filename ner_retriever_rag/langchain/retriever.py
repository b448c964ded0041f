"""Retrieval by entity type as a LangChain ``BaseRetriever``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import run_in_executor
from pydantic import ConfigDict, Field

from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.langchain.conversion import (
    match_to_langchain,
    to_indexed,
    to_langchain,
    without_copies,
)
from ner_retriever_rag.queries.query import is_combined
from ner_retriever_rag.queries.questions import ParsedQuestion

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


class TypeSearching(BaseRetriever):
    """What retrievers over an ``EntityIndex`` share: their fields, and how they search."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    index: EntityIndex
    """Where to look."""
    k: int | None = Field(default=4, gt=0)
    """How many documents at most; None for all above the threshold."""
    where: dict[str, Any] | None = None
    """Chroma filter on the documents' metadata."""
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    """Least score of a document; None for no bound, or 0.5 where ``k`` is None."""
    about: str | None = None
    """What the documents should be about, beside the type."""
    topic_weight: float | None = Field(default=None, ge=0, le=1)
    """How much the topic counts; None for the index's default. Only used with ``about``."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return self._search(query, **kwargs)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return await run_in_executor(None, self._search, query, **kwargs)

    def _search(self, query: Any, **kwargs: Any) -> list[Document]:
        """Search with the retriever's fields, any of which a call may override."""
        fields = {
            "k": self.k,
            "where": self.where,
            "score_threshold": self.score_threshold,
            "about": self.about,
            "topic_weight": self.topic_weight,
        }
        if unknown := kwargs.keys() - fields.keys():
            raise TypeError(
                f"unknown argument {', '.join(sorted(unknown))}: a call takes {', '.join(fields)}"
            )
        if isinstance(query, ParsedQuestion):
            if query.type is None:
                return []
            fields["about"] = query.topic or self.about
            query = query.type
        asked = fields | kwargs
        if asked["about"] is None and "topic_weight" not in kwargs:
            asked["topic_weight"] = None  # the field waits for a call with a topic
        matches = self.index.search(query, **asked)
        return [match_to_langchain(match, with_type=is_combined(query)) for match in matches]

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        params = super()._get_ls_params(**kwargs)
        return LangSmithRetrieverParams(
            **params,
            ls_vector_store_provider="Chroma",
            ls_embedding_provider="ner_retriever_rag",
            ls_embedding_model=self.index.encoder.description,
        )


class NERTypeRetriever(TypeSearching):
    """Retrieves the documents that mention entities of a type; the query is the type description.

    Results keep ``page_content``, ``id`` and the metadata they were added with, and have three
    metadata keys more: ``doc_id``, ``score`` (probability in [0, 1] of the best mention) and
    ``matches`` (a list of ``{"text", "start", "end", "score"}``, best first).

    The query may also be a combination (``AnyOf``, ``AllOf``, ``Not``, ``Like``); with several
    types each of ``matches`` has a ``type`` too. ``k``, ``where``, ``score_threshold``, ``about``
    and ``topic_weight`` may also be given to ``invoke``, ``ainvoke`` and ``batch``. What
    ``AnswerType`` makes of a question is a query too, with its topic as ``about``.

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
        path: str | Path | None = None,
        encoder: TypeAwareEncoder | None = None,
        **kwargs: Any,
    ) -> Self:
        """Index documents and return a retriever over them.

        Args:
            documents: LangChain documents.
            path: Folder of the index; None keeps it in memory.
            encoder: None for the shipped one.
            **kwargs: Fields of the retriever: ``k``, ``where``, ``score_threshold``, ``about``,
                ``topic_weight``.

        Raises:
            ValueError: If a document is empty or its metadata cannot be stored.
        """
        retriever = cls(index=EntityIndex(path, encoder=encoder), **kwargs)
        retriever.add_documents(documents)
        return retriever

    @classmethod
    async def afrom_documents(
        cls,
        documents: Iterable[Document],
        *,
        path: str | Path | None = None,
        encoder: TypeAwareEncoder | None = None,
        **kwargs: Any,
    ) -> Self:
        """``from_documents`` without blocking the event loop."""
        return await run_in_executor(
            None, cls.from_documents, documents, path=path, encoder=encoder, **kwargs
        )

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

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str] | None = None,
        path: str | Path | None = None,
        encoder: TypeAwareEncoder | None = None,
        **kwargs: Any,
    ) -> Self:
        """``from_texts`` without blocking the event loop."""
        return await run_in_executor(
            None, cls.from_texts, texts, metadatas, ids=ids, path=path, encoder=encoder, **kwargs
        )

    def add_documents(self, documents: Iterable[Document], *, progress: bool = False) -> list[str]:
        """Index documents; one whose id is there already is replaced.

        Args:
            documents: LangChain documents. One without an id gets one made from its content, so
                that adding it again changes nothing.
            progress: Show a progress bar.

        Returns:
            Their ids, in order.
        """
        converted = [to_indexed(document) for document in documents]
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
