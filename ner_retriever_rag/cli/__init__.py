"""The ``ner-retriever`` command-line interface."""

from ner_retriever_rag.cli.app import app

__all__ = ["app"]
