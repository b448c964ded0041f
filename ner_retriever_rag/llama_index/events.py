"""What the adapter tells LlamaIndex' instrumentation, beside what LlamaIndex tells itself."""

from __future__ import annotations

from llama_index.core.instrumentation.events import BaseEvent


class NoTypeEvent(BaseEvent):
    """A question asks for no type of entity, so the index was not asked.

    Attributes:
        question: The question.
        fallback: Whether another retriever was asked instead.
    """

    question: str
    fallback: bool

    @classmethod
    def class_name(cls) -> str:
        """Name in a trace."""
        return "NoTypeEvent"
