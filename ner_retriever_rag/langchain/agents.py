"""For language models: results as text for a prompt, and search as an agent tool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.tools import StructuredTool, ToolException

from ner_retriever_rag.langchain.base import BaseTypeRetriever
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
    documents: Iterable[Document],
    *,
    metadata_prefix: str = "",
    max_characters: int | None = MAX_CHARACTERS,
) -> str:
    """Format documents as text for a prompt, numbered, each with the names found in it.

    Documents from other retrievers are formatted without names. Only a document's first line and
    the names start at the margin; its other lines are indented, so that it cannot pass itself off
    as two.

    Args:
        documents: Results of a retriever.
        metadata_prefix: The retriever's ``metadata_prefix``.
        max_characters: Maximum length of all texts together; texts longer than their share are
            cut to the part around the best match. None for no limit.

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
    retriever: BaseTypeRetriever,
    *,
    name: str = TOOL_NAME,
    description: str = TOOL_DESCRIPTION,
    threshold: float = TOOL_THRESHOLD,
) -> StructuredTool:
    """Create a tool with which an agent finds documents that mention a kind of entity.

    Its arguments are ``type``, ``about`` and ``k``; all other search options are the fields of
    the retriever. The content of its message, for the model, is the documents' texts with the
    names found (``render_context``); the artifact is the documents. If there are none, the model
    is told the best name and its score. Failed searches are reported to the model.

    Args:
        retriever: The retriever to search with.
        name: Name of the tool, as the model sees it.
        description: Description of the tool, for the model; say here what the documents are.
        threshold: Minimum score of a document's best match, in [0, 1]; the retriever's
            ``score_threshold`` takes precedence.

    Raises:
        TypeError: If ``retriever`` is not a ``NERTypeRetriever`` or ``EntityDocumentIndex``.
        ValueError: If ``threshold`` is not in [0, 1].

    Example:
        .. code-block:: python

            agent = langchain.agents.create_agent(model, [create_entity_type_tool(retriever)])
    """
    if not isinstance(retriever, BaseTypeRetriever):
        raise TypeError(f"retriever must be a NERTypeRetriever, not a {type_name(retriever)}")

    minimum = check_fraction("threshold", threshold) if retriever.score_threshold is None else 0.0
    prefix = retriever.metadata_prefix

    def answer(documents: list[Document]) -> tuple[str, list[Document]]:
        shown, best = filter_by_score(
            documents, lambda each: each.metadata[f"{prefix}matches"], minimum
        )
        return render_context(shown, metadata_prefix=prefix) or nothing_found(best), shown

    def search(
        type: str, about: str | None = None, k: int | None = None, callbacks: Callbacks = None
    ) -> tuple[str, list[Document]]:
        try:
            found = retriever.invoke(type, {"callbacks": callbacks}, **_drop_none(about=about, k=k))
        except ValueError as error:
            raise ToolException(str(error)) from error
        return answer(found)

    async def asearch(
        type: str, about: str | None = None, k: int | None = None, callbacks: Callbacks = None
    ) -> tuple[str, list[Document]]:
        try:
            found = await retriever.ainvoke(
                type, {"callbacks": callbacks}, **_drop_none(about=about, k=k)
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


def _drop_none(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that the model passed; the retriever's fields apply for the others."""
    return {name: value for name, value in arguments.items() if value is not None}
