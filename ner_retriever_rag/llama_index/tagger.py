"""Write the entities of given types into nodes' metadata, in an ingestion pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from llama_index.core.bridge.pydantic import Field, model_validator
from llama_index.core.schema import BaseNode, TransformComponent

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder, default_encoder
from ner_retriever_rag.index.matching import match_documents
from ner_retriever_rag.llama_index.nodes import text_of
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.queries.query import AnyOf
from ner_retriever_rag.schema import Document


class EntityTypeTagger(TransformComponent):
    """Adds the names found of each type to a node's metadata: ``{"river": ["Nile"]}``.

    The input nodes are not modified; the output is copies with the same id. The pipeline's cache
    key consists of the types, the threshold and the encoder's fingerprint, and is the same in
    every process.

    Example:
        .. code-block:: python

            IngestionPipeline(
                transformations=[SentenceSplitter(), EntityTypeTagger(entity_types=["river"])]
            )
    """

    entity_types: list[str] = Field(min_length=1, description="Type descriptions; metadata keys.")
    threshold: float = Field(
        default=DEFAULT_THRESHOLD, ge=0, le=1, description="Minimum score of a mention."
    )
    rerank: int | None = Field(
        default=None,
        ge=0,
        description="How many of the best mentions the pair model reranks; None for 30, or 150 of "
        "more than 30 nodes, 0 for none.",
    )
    encoder: TypeAwareEncoder | None = Field(
        default=None,
        exclude=True,
        description="Detects and encodes mentions; None for the shipped encoder.",
    )
    encoder_fingerprint: str | None = Field(
        default=None, description="Fingerprint of the encoder; filled in, or checked if given."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        AnyOf(*self.entity_types)
        fingerprint = self._encoder.fingerprint
        if self.encoder_fingerprint not in (None, fingerprint):
            raise ValueError(
                f"encoder: its fingerprint is {fingerprint}, not {self.encoder_fingerprint}"
            )
        self.encoder_fingerprint = fingerprint
        return self

    @property
    def _encoder(self) -> TypeAwareEncoder:
        return self.encoder or default_encoder()

    @classmethod
    def class_name(cls) -> str:
        """Name in serialized components."""
        return "EntityTypeTagger"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Return copies of the nodes with the entities found in their metadata."""
        documents = [
            Document(text_of(node), node.node_id) for node in nodes if text_of(node).strip()
        ]
        query = AnyOf(*self.entity_types)
        found: dict[str, dict[str, list[str]]] = {}
        matches = match_documents(
            self._encoder, documents, query, self.threshold, rerank=self.rerank
        )
        for match in matches:
            names = found.setdefault(match.doc_id, {})
            for each in match.matches:
                if each.score >= self.threshold and each.text not in names.get(each.type, []):
                    names.setdefault(each.type, []).append(each.text)
        return [
            node.model_copy(update={"metadata": {**node.metadata, **found.get(node.node_id, {})}})
            for node in nodes
        ]

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Call the tagger without blocking the event loop."""
        return await asyncio.to_thread(self.__call__, nodes, **kwargs)
