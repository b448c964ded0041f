"""For language models: results as text for a prompt, and the search as a tool of an agent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.tools import StructuredTool, ToolException

from ner_retriever_rag.langchain.searching import TypeSearching
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
    documents: Iterable[Document],
    *,
    metadata_prefix: str = "",
    max_characters: int | None = MAX_CHARACTERS,
) -> str:
    """Documents as text for a prompt, numbered, each with the names that were found in it.

    Documents of other retrievers are written without names. Only the first line of a document and
    the names stand at the margin; a document's further lines are indented, so that it cannot pass
    for two.

    Args:
        documents: What a retriever found.
        metadata_prefix: That of the retriever.
        max_characters: Most characters of all texts together; of those that are longer than their
            share, the part around the best match is given. None for no bound.

    Raises:
        ValueError: If ``max_characters`` is not positive.

    Example:
        .. code-block:: python

            chain = {"context": retriever | render_context, "type": RunnablePassthrough()} | prompt
    """
    key = f"{metadata_prefix}matches"
    return render(
        ((each.page_content, each.metadata.get(key, [])) for each in documents), max_characters
    )


def create_entity_type_tool(
    retriever: TypeSearching,
    *,
    name: str = TOOL_NAME,
    description: str = TOOL_DESCRIPTION,
    threshold: float = TOOL_THRESHOLD,
) -> StructuredTool:
    """A tool by which an agent finds documents that mention a kind of entity.

    Its arguments are ``type``, ``about`` and ``k``; whatever else bounds the search are the fields
    of the retriever. The content of its answer, for the model, is the documents' texts with the
    names found (``render_context``); the artifact is the documents. Where there are none the model
    is told the best name and its score. A search that fails is told to the model.

    Args:
        retriever: Searches for the agent.
        name: What the model calls it by.
        description: What the model is told of it; say here what the documents are.
        threshold: Least score of a document's best match, in [0, 1]; a ``score_threshold`` of the
            retriever takes its place.

    Raises:
        TypeError: If ``retriever`` is something else.
        ValueError: If ``threshold`` is not in [0, 1].

    Example:
        .. code-block:: python

            agent = langchain.agents.create_agent(model, [create_entity_type_tool(retriever)])
    """
    if not isinstance(retriever, TypeSearching):
        raise TypeError(f"retriever must be a NERTypeRetriever, not a {kind_of(retriever)}")

    least = share("threshold", threshold) if retriever.score_threshold is None else 0.0
    prefix = retriever.metadata_prefix

    def answer(documents: list[Document]) -> tuple[str, list[Document]]:
        shown, best = above(documents, lambda each: each.metadata[f"{prefix}matches"], least)
        return render_context(shown, metadata_prefix=prefix) or nothing_found(best), shown

    def search(
        type: str, about: str | None = None, k: int | None = None, callbacks: Callbacks = None
    ) -> tuple[str, list[Document]]:
        try:
            found = retriever.invoke(type, {"callbacks": callbacks}, **_given(about=about, k=k))
        except ValueError as error:
            raise ToolException(str(error)) from error
        return answer(found)

    async def asearch(
        type: str, about: str | None = None, k: int | None = None, callbacks: Callbacks = None
    ) -> tuple[str, list[Document]]:
        try:
            found = await retriever.ainvoke(
                type, {"callbacks": callbacks}, **_given(about=about, k=k)
            )
        except ValueError as error:
            raise ToolException(str(error)) from error
        return answer(found)

    return StructuredTool(
        name=name,
        description=description,
        func=search,
        coroutine=asearch,
        args_schema=EntityTypeArguments,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _given(**arguments: Any) -> dict[str, Any]:
    """The arguments the model gave; the retriever's own fields stand for the others."""
    return {name: value for name, value in arguments.items() if value is not None}
