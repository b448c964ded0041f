"""From a question to the type and topic to retrieve by, as a LangChain Runnable."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable, patch_config
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ner_retriever_rag.queries.questions import ParsedQuestion, parse_question
from ner_retriever_rag.schema import require_text

_PROMPT = ChatPromptTemplate(
    [
        (
            "system",
            "Say which type of named entity the answers to the user's question are, and what the "
            "question says about them. Do not answer the question.\n"
            "Which dinosaurs lived in what is now Argentina? type: dinosaur, "
            "topic: lived in what is now Argentina\n"
            "Who wrote Faust? type: person, topic: wrote Faust\n"
            "Why is the sky blue? type: null, topic: null",
        ),
        ("human", "{question}"),
    ]
)
_NOTHING = {"", "none", "null", "n/a"}


class TypeAndTopic(BaseModel):
    """The type of entity a question asks for, and what it says about it."""

    type: str | None = Field(
        default=None,
        description="The kind of entity the answers are, a noun phrase in the singular: "
        "'dinosaur', 'Swedish football club'. Null if the question asks for no entities but for "
        "a reason, a manner, a date, a quantity, a definition, or yes or no.",
    )
    topic: str | None = Field(
        default=None,
        description="What the question says about them, in its own words, without the type; null "
        "if nothing.",
    )


class AnswerType(RunnableSerializable[str, ParsedQuestion]):
    """Finds the type of entity a question asks for, and the topic.

    The result has ``question``, ``type`` and ``topic``; ``type`` is None where the question asks
    for no kind of entity. ``NERTypeRetriever`` takes it as a query: it then looks for the type,
    with the topic as ``about``, and finds nothing where there is no type.

    Without a model, rules for English do it (``ner_retriever_rag.queries.questions``); with one,
    its structured output does.

    Example:
        .. code-block:: python

            chain = AnswerType() | retriever
            chain.invoke("Which dinosaurs lived in what is now Argentina?")

    Raises:
        ValueError: If ``model`` is no chat model, or has no structured output.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    model: Any = None
    """A chat model with structured output; None for the built-in rules."""
    _chain: Runnable[Any, Any] | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Set up the model's structured output."""
        if self.model is None:
            return
        if not hasattr(self.model, "with_structured_output"):
            raise ValueError(f"model must be a chat model, not {type(self.model).__name__}")
        try:
            self._chain = _PROMPT | self.model.with_structured_output(TypeAndTopic)
        except NotImplementedError as error:
            raise ValueError(f"model: {type(self.model).__name__}: {error}") from error

    def invoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ParsedQuestion:
        """Take a question apart.

        Args:
            input: The question.
            config: As for every Runnable.
            **kwargs: Passed to the model.

        Raises:
            TypeError: If the question is not a string, or the model answers something else than
                was asked for.
            ValueError: If it is empty.
        """
        return self._call_with_config(self._parse, input, config, run_type="chain", **kwargs)

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ParsedQuestion:
        """As ``invoke``."""
        return await self._acall_with_config(
            self._aparse, input, config, run_type="chain", **kwargs
        )

    def _parse(
        self,
        question: str,
        run_manager: CallbackManagerForChainRun,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> ParsedQuestion:
        if self._chain is None:
            return parse_question(question)
        given = {"question": require_text(question, "question")}
        inner = patch_config(config, callbacks=run_manager.get_child())
        return _parsed(question, self._chain.invoke(given, inner, **kwargs))

    async def _aparse(
        self,
        question: str,
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> ParsedQuestion:
        if self._chain is None:
            return parse_question(question)
        given = {"question": require_text(question, "question")}
        inner = patch_config(config, callbacks=run_manager.get_child())
        return _parsed(question, await self._chain.ainvoke(given, inner, **kwargs))


def _parsed(question: str, answer: Any) -> ParsedQuestion:
    """What the model said; a model that says nothing found no type."""
    said = TypeAndTopic() if answer is None else answer
    if isinstance(said, dict):
        said = TypeAndTopic.model_validate(said)
    if not isinstance(said, TypeAndTopic):
        raise TypeError(f"model: its answer is no TypeAndTopic but {type(said).__name__}")
    kind, topic = (
        None if part is None or part.strip().lower() in _NOTHING else part.strip()
        for part in (said.type, said.topic)
    )
    return ParsedQuestion(question, kind, topic if kind else None)
