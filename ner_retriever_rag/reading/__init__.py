"""Reading: what a text says once its layout is understood, with a mapping to its characters."""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.reading.view import View, name_in, readable

_LAZY_IMPORTS = {"View": "view", "name_in": "view", "readable": "view"}

__all__ = ["View", "name_in", "readable"]


__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
