"""Deprecated: moved to ``ner_retriever_rag.questions``."""

import warnings

from ner_retriever_rag.questions.questions import ParsedQuestion, parse_question

__all__ = ["ParsedQuestion", "parse_question"]

warnings.warn(
    "ner_retriever_rag.queries.questions has moved to ner_retriever_rag.questions",
    DeprecationWarning,
    stacklevel=2,
)
