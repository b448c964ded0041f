"""Mention detection: where in a text entities are named, whatever their type."""

from ner_retriever_rag.detection.protocol import MentionDetector

__all__ = ["MentionDetector"]
