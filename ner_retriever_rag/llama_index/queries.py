"""Structured queries, and a transform that parses questions into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from llama_index.core.indices.query.query_transform.base import BaseQueryTransform
from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.core.schema import QueryBundle

from ner_retriever_rag.queries.query import AnyOf, Query
from ner_retriever_rag.questions.language_models import (
    ANSWER_TYPE_PROMPT,
    TypeAndTopic,
    read_answer,
)
from ner_retriever_rag.questions.questions import ParsedQuestion, parse_question, query_and_topic
from ner_retriever_rag.schema import require_text, type_name

_PROMPT = ChatPromptTemplate(
    [
        ChatMessage(role="system", content=ANSWER_TYPE_PROMPT),
        ChatMessage(role="user", content="{question}"),
    ]
)


@dataclass
class TypeQuery(QueryBundle):
    """A query with its own entity type, so that ``query_str`` can be a whole question.

    Attributes:
        entity_type: The type description, or a combination of several; None for a question that
            asks for none, which goes to the retriever's ``fallback``, if any.
        about: What the nodes should be about; None for the retriever's setting.
        similarity_top_k: Maximum number of nodes; None for the retriever's setting.
        offset: How many of the best nodes to skip, for the next page of a result.

    Example:
        .. code-block:: python

            retriever.retrieve(TypeQuery("Where do both meet?", entity_type=AllOf("river", "sea")))
    """

    entity_type: Query | None = None
    about: str | None = None
    similarity_top_k: int | None = None
    offset: int = 0

    @classmethod
    def of(cls, asked: ParsedQuestion) -> Self:
        """Create a query from a parsed question."""
        kind, about = query_and_topic(asked, None)
        return cls(asked.question, entity_type=kind, about=about)


class AnswerType(BaseQueryTransform):
    """Extracts the type of entity a question asks for, and the topic, into a ``TypeQuery``.

    Without a model it uses rules for English (``ner_retriever_rag.questions.questions``); with
    one, the model's structured output.

    Args:
        llm: A language model with structured output; None for the built-in rules.
        prompt: Prompt for the model, containing ``{question}``; None for the built-in one.

    Example:
        .. code-block:: python

            by_question = TransformRetriever(retriever, AnswerType())
            by_question.retrieve("Which rivers flow through Sudan?")

    Raises:
        TypeError: If ``llm`` is not a language model.
    """

    def __init__(self, llm: LLM | None = None, prompt: BasePromptTemplate | None = None) -> None:
        super().__init__()
        if llm is not None and not isinstance(llm, LLM):
            raise TypeError(f"llm must be a LlamaIndex LLM, not a {type_name(llm)}")
        self._llm, self._prompt = llm, prompt or _PROMPT

    def _get_prompts(self) -> PromptDictType:
        return {"answer_type_prompt": self._prompt}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self._prompt = prompts.get("answer_type_prompt", self._prompt)

    def _run(self, query_bundle: QueryBundle, metadata: dict[str, Any]) -> TypeQuery:
        question = require_text(query_bundle.query_str, "question")
        if self._llm is None:
            return TypeQuery.of(parse_question(question))
        answer = self._llm.structured_predict(TypeAndTopic, self._prompt, question=question)
        return TypeQuery.of(read_answer(question, answer))


def query_of(bundle: QueryBundle) -> Query | None:
    """Return the type query of a bundle; None if it asks for no type."""
    if isinstance(bundle, TypeQuery):
        return bundle.entity_type
    types = bundle.custom_embedding_strs or [bundle.query_str]
    return types[0] if len(types) == 1 else AnyOf(*types)
