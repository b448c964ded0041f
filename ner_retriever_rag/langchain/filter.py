"""A filter on another retriever's results: those that mention entities of a type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, field_validator

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder, default_encoder
from ner_retriever_rag.langchain.conversion import match_to_langchain, to_indexed
from ner_retriever_rag.queries.query import check_query, is_combined
from ner_retriever_rag.queries.scoring import match_documents


class EntityTypeFilter(BaseDocumentCompressor):
    """Keeps the documents that mention entities of a type, whatever retriever found them.

    Without ``top_n`` they stay in the order they came in; with it they come best first. They keep
    their text, id and metadata, and have ``doc_id``, ``score`` and ``matches`` more, as the
    results of ``NERTypeRetriever`` do.

    Example:
        .. code-block:: python

            ContextualCompressionRetriever(
                base_retriever=retriever,
                base_compressor=EntityTypeFilter(entity_type="river"),
            )
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    entity_type: Any
    """The type description, or a combination of several."""
    top_n: int | None = Field(default=None, gt=0)
    """How many documents at most, the best ones; None for all."""
    threshold: float | None = Field(default=0.5, ge=0, le=1)
    """Least score of a document that is kept; None for no bound."""
    encoder: TypeAwareEncoder | None = None
    """What finds and encodes their mentions; None for the shipped one."""

    @field_validator("entity_type")
    @classmethod
    def _is_query(cls, value: Any) -> Any:
        try:
            return check_query(value, "entity_type")
        except TypeError as error:  # pydantic reports ValueErrors only
            raise ValueError(str(error)) from error

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Keep the documents that mention the type.

        Args:
            documents: What another retriever found.
            query: Its query; not looked at.
            callbacks: Not used.
        """
        with_text = [to_indexed(each) for each in documents if each.page_content.strip()]
        matches = match_documents(
            self.encoder or default_encoder(),
            with_text,
            self.entity_type,
            0.5 if self.threshold is None else self.threshold,
        )
        kept = [match for match in matches if match.score >= (self.threshold or 0.0)]
        if self.top_n is not None:
            kept = sorted(kept, key=lambda match: -match.score)[: self.top_n]
        return [
            match_to_langchain(match, with_type=is_combined(self.entity_type)) for match in kept
        ]
