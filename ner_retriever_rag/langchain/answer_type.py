"""Parse a question into the type and topic to retrieve by, as a LangChain Runnable."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable, patch_config
from pydantic import ConfigDict, PrivateAttr

from ner_retriever_rag.questions.language_models import (
    ANSWER_TYPE_PROMPT,
    TypeAndTopic,
    read_answer,
)
from ner_retriever_rag.questions.questions import ParsedQuestion, parse_question
from ner_retriever_rag.schema import require_text

_PROMPT = ChatPromptTemplate([("system", ANSWER_TYPE_PROMPT), ("human", "{question}")])


class AnswerType(RunnableSerializable[str, ParsedQuestion]):
    """Extracts the type of entity a question asks for, and the topic.

    The result has ``question``, ``type`` and ``topic``; ``type`` is None if the question asks
    for no kind of entity. ``NERTypeRetriever`` accepts it as a query: it searches for the type,
    with the topic as ``about``, and returns nothing if there is no type.

    Without a model it uses rules for English (``ner_retriever_rag.questions.questions``); with
    one, the model's structured output.

    Example:
        .. code-block:: python

            chain = AnswerType() | retriever
            chain.invoke("Which dinosaurs lived in what is now Argentina?")

    Raises:
        ValueError: If ``model`` is not a chat model, or has no structured output.
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
        """Parse a question.

        Args:
            input: The question.
            config: As for every Runnable.
            **kwargs: Passed to the model.

        Raises:
            TypeError: If the question is not a string, or the model returns something other than
                the requested structure.
            ValueError: If the question is empty.
        """
        return self._call_with_config(self._parse, input, config, run_type="chain", **kwargs)

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ParsedQuestion:
        """Async version of ``invoke``."""
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
        return read_answer(question, self._chain.invoke(given, inner, **kwargs))

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
        return read_answer(question, await self._chain.ainvoke(given, inner, **kwargs))
