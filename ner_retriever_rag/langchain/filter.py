"""Filter another retriever's results: keep those that mention entities of a type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, field_validator, model_validator

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.index.interop import from_langchain
from ner_retriever_rag.index.matching import check_entity_type, check_one_encoder, filter_by_type
from ner_retriever_rag.langchain.conversion import match_to_langchain
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.queries.query import is_combined
from ner_retriever_rag.questions.questions import query_and_topic


class EntityTypeFilter(BaseDocumentCompressor):
    """Keeps the documents that mention entities of a type, whatever retriever found them.

    Without ``top_n`` the documents keep their order; with it they are sorted best first. They keep
    their text, id and metadata, plus ``doc_id``, ``score`` and ``matches``, like the
    results of ``NERTypeRetriever``.

    Example:
        .. code-block:: python

            ContextualCompressionRetriever(
                base_retriever=retriever,
                base_compressor=EntityTypeFilter(entity_type="river"),
            )
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    entity_type: Any = None
    """The type description, or a combination of several; None to use the query."""
    top_n: int | None = Field(default=None, gt=0)
    """Maximum number of documents, the best ones; None for all."""
    threshold: float | None = Field(default=DEFAULT_THRESHOLD, ge=0, le=1)
    """Minimum score of a document to be kept; None for no threshold."""
    rerank: int | None = Field(default=None, ge=0)
    """How many of the best mentions the pair model reranks; None for 30, or 150 of more than 30
    documents, 0 for none."""
    index: EntityIndex | None = None
    """An index that contains some of the documents: for those with the same id and text, the
    mentions are read from it instead of being detected and encoded again."""
    encoder: TypeAwareEncoder | None = None
    """Detects and encodes the mentions; None for the index's encoder, or the shipped one."""
    metadata_prefix: str = ""
    """Prefix of the metadata keys ``doc_id``, ``score`` and ``matches``."""

    @field_validator("entity_type")
    @classmethod
    def _is_query(cls, value: Any) -> Any:
        return check_entity_type(value)

    @model_validator(mode="after")
    def _one_encoder(self) -> Self:
        check_one_encoder(self.index, self.encoder)
        return self

    def compress_documents(
        self, documents: Sequence[Document], query: Any, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Keep the documents that mention the type.

        Args:
            documents: Results of another retriever.
            query: Its query, used as the type if ``entity_type`` is None. If it is the output of
                ``AnswerType``, its type is used; if the question asks for none, all documents are
                kept unchanged.
            callbacks: Not used.

        Raises:
            ValueError: If a document already has metadata under a key used for results.
        """
        wanted, _ = (
            query_and_topic(query, None) if self.entity_type is None else (self.entity_type, None)
        )
        if wanted is None:
            return documents
        with_text = [from_langchain(each) for each in documents if each.page_content.strip()]
        kept = filter_by_type(
            with_text,
            wanted,
            index=self.index,
            encoder=self.encoder,
            threshold=self.threshold,
            top_n=self.top_n,
            rerank=self.rerank,
        )
        with_type = is_combined(wanted)
        return [
            match_to_langchain(match, self.metadata_prefix, with_type=with_type)
            for _, match in kept
        ]
