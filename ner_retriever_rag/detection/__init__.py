"""Mention detection: where in a text entities are named, whatever their type.

The detectors load on first use: importing this package brings in neither torch nor their own
libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ner_retriever_rag.detection.protocol import MentionDetector

if TYPE_CHECKING:
    from ner_retriever_rag.detection.generation import TransformersChat
    from ner_retriever_rag.detection.gliner import GLiNERDetector
    from ner_retriever_rag.detection.llm import LLMDetector
    from ner_retriever_rag.detection.spacy import SpacyDetector
    from ner_retriever_rag.detection.span_head import SpanHead

_HOMES = {
    "GLiNERDetector": "gliner",
    "LLMDetector": "llm",
    "SpacyDetector": "spacy",
    "SpanHead": "span_head",
    "TransformersChat": "generation",
}

__all__ = [
    "GLiNERDetector",
    "LLMDetector",
    "MentionDetector",
    "SpacyDetector",
    "SpanHead",
    "TransformersChat",
]


def __getattr__(name: str) -> object:
    """Import a detector from its module on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
