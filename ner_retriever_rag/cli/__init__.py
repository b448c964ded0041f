"""The command line, ``ner-retriever``."""

from ner_retriever_rag.cli.app import app

__all__ = ["app"]
