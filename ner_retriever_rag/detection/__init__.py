"""Mention detection: finds where entities are named in a text, whatever their type.

The detectors are imported lazily: importing this package imports neither torch nor their own
libraries.
"""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader
from ner_retriever_rag.detection.protocol import MentionDetector

if TYPE_CHECKING:
    from ner_retriever_rag.detection.generation import TransformersChat
    from ner_retriever_rag.detection.gliner import GLiNERDetector
    from ner_retriever_rag.detection.llm import LLMDetector
    from ner_retriever_rag.detection.spacy import SpacyDetector

_LAZY_IMPORTS = {
    "GLiNERDetector": "gliner",
    "LLMDetector": "llm",
    "SpacyDetector": "spacy",
    "TransformersChat": "generation",
}

__all__ = [
    "GLiNERDetector",
    "LLMDetector",
    "MentionDetector",
    "SpacyDetector",
    "TransformersChat",
]


__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
