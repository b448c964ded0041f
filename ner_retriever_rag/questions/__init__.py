"""Parsing of questions into type and topic."""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.questions.questions import ParsedQuestion, parse_question

_LAZY_IMPORTS = {
    "ParsedQuestion": "questions",
    "parse_question": "questions",
}

__all__ = [
    "ParsedQuestion",
    "parse_question",
]

__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
