"""Rank another retriever's nodes by an entity type."""

from __future__ import annotations

from typing import Any, Self

from llama_index.core.bridge.pydantic import Field, field_validator, model_validator
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.index.matching import check_entity_type, check_one_encoder, filter_by_type
from ner_retriever_rag.llama_index.nodes import matched_node, text_of
from ner_retriever_rag.llama_index.queries import query_of
from ner_retriever_rag.queries.query import is_combined
from ner_retriever_rag.schema import Document


class EntityTypePostprocessor(BaseNodePostprocessor):
    """Ranks nodes by whether they mention entities of a type, best first.

    Each becomes a ``MatchedNode`` around the same node: its ``score`` is that for the type,
    ``matches`` holds the mentions. Nodes without text are dropped. If ``entity_type`` is None, the
    query is used as the type; for a question that asks for no type, nodes are returned unchanged.

    Example:
        .. code-block:: python

            index.as_query_engine(
                node_postprocessors=[EntityTypePostprocessor(entity_type="river", top_n=3)]
            )
    """

    entity_type: Any = Field(
        default=None,
        description="The type description, or a combination of several; None to use the query.",
    )
    top_n: int | None = Field(default=None, gt=0, description="Maximum number of nodes.")
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="Minimum score of a node to be kept."
    )
    rerank: int | None = Field(
        default=None,
        ge=0,
        description="How many of the best mentions the pair model reranks; None for 30, or 150 of "
        "more than 30 nodes, 0 for none.",
    )
    index: EntityIndex | None = Field(
        default=None,
        exclude=True,
        description="An index that contains some of the nodes: for those with the same id and "
        "text, the mentions are read from it instead of being detected and encoded again.",
    )
    encoder: TypeAwareEncoder | None = Field(
        default=None,
        exclude=True,
        description="Detects and encodes mentions; None for the index's, or the shipped one.",
    )

    @field_validator("entity_type")
    @classmethod
    def _is_query(cls, value: Any) -> Any:
        return check_entity_type(value)

    @model_validator(mode="after")
    def _one_encoder(self) -> Self:
        check_one_encoder(self.index, self.encoder)
        return self

    @classmethod
    def class_name(cls) -> str:
        """Name in serialized components."""
        return "EntityTypePostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        wanted = self.entity_type
        if wanted is None:
            if query_bundle is None:
                raise ValueError("entity_type is None, and there is no query to use instead")
            wanted = query_of(query_bundle)
            if wanted is None:  # a question that asks for no type
                return nodes
        with_text = [each.node for each in nodes if text_of(each.node).strip()]
        documents = [Document(text_of(node), node.node_id) for node in with_text]
        kept = filter_by_type(
            documents,
            wanted,
            index=self.index,
            encoder=self.encoder,
            threshold=self.threshold,
            top_n=self.top_n or len(nodes),
            rerank=self.rerank,
        )
        with_type = is_combined(wanted)
        return [matched_node(with_text[n], match, with_type=with_type) for n, match in kept]
