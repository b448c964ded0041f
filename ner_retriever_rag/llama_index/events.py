"""Events that the adapter sends to LlamaIndex's instrumentation, besides LlamaIndex's own."""

from __future__ import annotations

from llama_index.core.instrumentation.events import BaseEvent


class NoTypeEvent(BaseEvent):
    """A question asks for no type of entity, so the index was not searched.

    Attributes:
        question: The question.
        fallback: Whether another retriever was called instead.
    """

    question: str
    fallback: bool

    @classmethod
    def class_name(cls) -> str:
        """Name in a trace."""
        return "NoTypeEvent"
