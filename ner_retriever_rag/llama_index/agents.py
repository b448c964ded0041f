"""For language models: results as text for a prompt, and the search as a tool of an agent."""

from __future__ import annotations

from collections.abc import Iterable

from llama_index.core.schema import MetadataMode, NodeWithScore
from llama_index.core.tools import FunctionTool

from ner_retriever_rag.llama_index.queries import TypeQuery
from ner_retriever_rag.llama_index.retriever import NERTypeRetriever
from ner_retriever_rag.questions.language_models import (
    NOTHING_FOUND,
    TOOL_DESCRIPTION,
    TOOL_NAME,
    EntityTypeArguments,
    render,
)
from ner_retriever_rag.schema import kind_of


def render_context(nodes: Iterable[NodeWithScore]) -> str:
    """Nodes as text for a prompt, numbered, each with the names that were found in it.

    Their metadata stand before the text as LlamaIndex writes them for models. Nodes of other
    retrievers are written without names.

    Args:
        nodes: What a retriever found.
    """
    return render(
        (each.node.get_content(metadata_mode=MetadataMode.LLM), getattr(each, "matches", []))
        for each in nodes
    )


def create_entity_type_tool(
    retriever: NERTypeRetriever, *, name: str = TOOL_NAME, description: str = TOOL_DESCRIPTION
) -> FunctionTool:
    """A tool by which an agent finds nodes that mention a kind of entity.

    Its arguments are ``type``, ``about`` and ``k``; whatever else bounds the search is set on the
    retriever. Its output's ``content``, for the model, is the nodes' texts with the names found
    (``render_context``); ``raw_output`` is the nodes.

    Args:
        retriever: Searches for the agent.
        name: What the model calls it by.
        description: What the model is told of it; say here what the nodes are.

    Raises:
        TypeError: If ``retriever`` is something else.

    Example:
        .. code-block:: python

            FunctionAgent(tools=[create_entity_type_tool(retriever)], llm=llm)
    """
    if not isinstance(retriever, NERTypeRetriever):
        raise TypeError(f"retriever must be a NERTypeRetriever, not a {kind_of(retriever)}")

    def search(type: str, about: str | None = None, k: int | None = None) -> list[NodeWithScore]:
        return retriever.retrieve(_query(type, about, k))

    async def asearch(
        type: str, about: str | None = None, k: int | None = None
    ) -> list[NodeWithScore]:
        return await retriever.aretrieve(_query(type, about, k))

    return FunctionTool.from_defaults(
        search,
        async_fn=asearch,
        name=name,
        description=description,
        fn_schema=EntityTypeArguments,
        callback=lambda nodes: render_context(nodes) or NOTHING_FOUND,
    )


def _query(type: str, about: str | None, k: int | None) -> TypeQuery:
    """What the model asked for, checked."""
    given = EntityTypeArguments(type=type, about=about, k=k)
    return TypeQuery(
        given.type, entity_type=given.type, about=given.about, similarity_top_k=given.k
    )
