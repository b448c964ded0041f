"""For language models: results as text for a prompt, and search as an agent tool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llama_index.core.schema import MetadataMode, NodeWithScore
from llama_index.core.tools import FunctionTool

from ner_retriever_rag.llama_index.queries import TypeQuery
from ner_retriever_rag.llama_index.retriever import NERTypeRetriever
from ner_retriever_rag.queries.bounds import check_fraction
from ner_retriever_rag.questions.language_models import (
    MAX_CHARACTERS,
    TOOL_DESCRIPTION,
    TOOL_NAME,
    TOOL_THRESHOLD,
    EntityTypeArguments,
    filter_by_score,
    nothing_found,
    render,
)
from ner_retriever_rag.schema import type_name


def render_context(
    nodes: Iterable[NodeWithScore], *, max_characters: int | None = MAX_CHARACTERS
) -> str:
    """Format nodes as text for a prompt, numbered, each with the names found in it.

    Metadata precedes the text, as LlamaIndex formats it for models. Nodes from other
    retrievers are formatted without names. Only a node's first line and the names start at the
    margin; its other lines are indented, so that it cannot pass itself off as two.

    Args:
        nodes: Results of a retriever.
        max_characters: Maximum length of all texts together; texts longer than their share are
            cut to the part around the best match. None for no limit.

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


class _ToolResult(list[NodeWithScore]):
    """The nodes to show to a model, and the best match of all that were found."""

    best: Mapping[str, Any] | None = None


def create_entity_type_tool(
    retriever: NERTypeRetriever,
    *,
    name: str = TOOL_NAME,
    description: str = TOOL_DESCRIPTION,
    threshold: float = TOOL_THRESHOLD,
) -> FunctionTool:
    """Create a tool with which an agent finds nodes that mention a kind of entity.

    Its arguments are ``type``, ``about`` and ``k``; all other search options are set on the
    retriever. Its output's ``content``, for the model, is the nodes' texts with the names found
    (``render_context``); ``raw_output`` is the nodes. If there are none, the model is told the
    best name and its score.

    Args:
        retriever: The retriever to search with.
        name: Name of the tool, as the model sees it.
        description: Description of the tool, for the model; say here what the nodes are.
        threshold: Minimum score of a node's best match, in [0, 1]; the retriever's
            ``score_threshold`` takes precedence.

    Raises:
        TypeError: If ``retriever`` is not a ``NERTypeRetriever``.
        ValueError: If ``threshold`` is not in [0, 1].

    Example:
        .. code-block:: python

            FunctionAgent(tools=[create_entity_type_tool(retriever)], llm=llm)
    """
    if not isinstance(retriever, NERTypeRetriever):
        raise TypeError(f"retriever must be a NERTypeRetriever, not a {type_name(retriever)}")

    minimum = check_fraction("threshold", threshold) if retriever.score_threshold is None else 0.0

    def to_result(nodes: list[NodeWithScore]) -> _ToolResult:
        some, best = filter_by_score(nodes, lambda each: getattr(each, "matches", []), minimum)
        kept = _ToolResult(some)
        kept.best = best
        return kept

    def search(type: str, about: str | None = None, k: int | None = None) -> _ToolResult:
        return to_result(retriever.retrieve(_query(type, about, k)))

    async def asearch(type: str, about: str | None = None, k: int | None = None) -> _ToolResult:
        return to_result(await retriever.aretrieve(_query(type, about, k)))

    return FunctionTool.from_defaults(
        search,
        async_fn=asearch,
        name=name,
        description=description,
        fn_schema=EntityTypeArguments,
        callback=lambda nodes: render_context(nodes) or nothing_found(nodes.best),
    )


def _query(type: str, about: str | None, k: int | None) -> TypeQuery:
    """Validate the model's arguments and return them as a query."""
    given = EntityTypeArguments(type=type, about=about, k=k)
    return TypeQuery(
        given.type, entity_type=given.type, about=given.about, similarity_top_k=given.k
    )
