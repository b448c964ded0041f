"""For language models: results as text for a prompt, and the search as a tool of an agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llama_index.core.schema import MetadataMode, NodeWithScore
from llama_index.core.tools import FunctionTool

from ner_retriever_rag.llama_index.queries import TypeQuery
from ner_retriever_rag.llama_index.retriever import NERTypeRetriever
from ner_retriever_rag.queries.bounds import share
from ner_retriever_rag.questions.language_models import (
    MAX_CHARACTERS,
    TOOL_DESCRIPTION,
    TOOL_NAME,
    TOOL_THRESHOLD,
    EntityTypeArguments,
    above,
    nothing_found,
    render,
)
from ner_retriever_rag.schema import kind_of


def render_context(
    nodes: Iterable[NodeWithScore], *, max_characters: int | None = MAX_CHARACTERS
) -> str:
    """Nodes as text for a prompt, numbered, each with the names that were found in it.

    Their metadata stand before the text as LlamaIndex writes them for models. Nodes of other
    retrievers are written without names. Only the first line of a node and the names stand at the
    margin; a node's further lines are indented, so that it cannot pass for two.

    Args:
        nodes: What a retriever found.
        max_characters: Most characters of all texts together; of those that are longer than their
            share, the part around the best match is given. None for no bound.

    Raises:
        ValueError: If ``max_characters`` is not positive.
    """
    return render(
        (
            (each.node.get_content(metadata_mode=MetadataMode.LLM), getattr(each, "matches", []))
            for each in nodes
        ),
        max_characters,
    )


class _Shown(list[NodeWithScore]):
    """What a search found for a model, and the best match of all that were found."""

    best: Mapping[str, Any] | None = None


def create_entity_type_tool(
    retriever: NERTypeRetriever,
    *,
    name: str = TOOL_NAME,
    description: str = TOOL_DESCRIPTION,
    threshold: float = TOOL_THRESHOLD,
) -> FunctionTool:
    """A tool by which an agent finds nodes that mention a kind of entity.

    Its arguments are ``type``, ``about`` and ``k``; whatever else bounds the search is set on the
    retriever. Its output's ``content``, for the model, is the nodes' texts with the names found
    (``render_context``); ``raw_output`` is the nodes. Where there are none the model is told the
    best name and its score.

    Args:
        retriever: Searches for the agent.
        name: What the model calls it by.
        description: What the model is told of it; say here what the nodes are.
        threshold: Least score of a node's best match, in [0, 1]; a ``score_threshold`` of the
            retriever takes its place.

    Raises:
        TypeError: If ``retriever`` is something else.
        ValueError: If ``threshold`` is not in [0, 1].

    Example:
        .. code-block:: python

            FunctionAgent(tools=[create_entity_type_tool(retriever)], llm=llm)
    """
    if not isinstance(retriever, NERTypeRetriever):
        raise TypeError(f"retriever must be a NERTypeRetriever, not a {kind_of(retriever)}")

    least = share("threshold", threshold) if retriever.score_threshold is None else 0.0

    def shown(nodes: list[NodeWithScore]) -> _Shown:
        some, best = above(nodes, lambda each: getattr(each, "matches", []), least)
        kept = _Shown(some)
        kept.best = best
        return kept

    def search(type: str, about: str | None = None, k: int | None = None) -> _Shown:
        return shown(retriever.retrieve(_query(type, about, k)))

    async def asearch(type: str, about: str | None = None, k: int | None = None) -> _Shown:
        return shown(await retriever.aretrieve(_query(type, about, k)))

    return FunctionTool.from_defaults(
        search,
        async_fn=asearch,
        name=name,
        description=description,
        fn_schema=EntityTypeArguments,
        callback=lambda nodes: render_context(nodes) or nothing_found(nodes.best),
    )


def _query(type: str, about: str | None, k: int | None) -> TypeQuery:
    """What the model asked for, checked."""
    given = EntityTypeArguments(type=type, about=about, k=k)
    return TypeQuery(
        given.type, entity_type=given.type, about=given.about, similarity_top_k=given.k
    )
