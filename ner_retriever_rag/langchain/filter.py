"""A filter on another retriever's results: those that mention entities of a type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, field_validator, model_validator

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.index.foreign import from_langchain
from ner_retriever_rag.index.texts import check_entity_type, check_one_encoder, judge
from ner_retriever_rag.langchain.conversion import match_to_langchain
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.queries.query import is_combined
from ner_retriever_rag.questions.questions import asked_for


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

    entity_type: Any = None
    """The type description, or a combination of several; None takes the query for it."""
    top_n: int | None = Field(default=None, gt=0)
    """How many documents at most, the best ones; None for all."""
    threshold: float | None = Field(default=DEFAULT_THRESHOLD, ge=0, le=1)
    """Least score of a document that is kept; None for no bound."""
    rerank: int = Field(default=0, ge=0)
    """How many of the best mentions the pair model judges again, in their passages."""
    index: EntityIndex | None = None
    """Where some of the documents are: by their ids, with the text they have, their mentions are
    read instead of being detected and encoded again."""
    encoder: TypeAwareEncoder | None = None
    """What finds and encodes their mentions; None for the index's, or the shipped one."""
    metadata_prefix: str = ""
    """What the metadata keys ``doc_id``, ``score`` and ``matches`` begin with."""

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
            documents: What another retriever found.
            query: Its query; the type looked for where ``entity_type`` is None. Of what
                ``AnswerType`` makes of a question, its type; where the question asks for none, all
                documents are kept as they are.
            callbacks: Not used.

        Raises:
            ValueError: If a document has metadata of its own under a key of results.
        """
        wanted, _ = asked_for(query, None) if self.entity_type is None else (self.entity_type, None)
        if wanted is None:
            return documents
        with_text = [from_langchain(each) for each in documents if each.page_content.strip()]
        kept = judge(
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
