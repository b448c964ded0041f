"""The backbone: a Hugging Face transformer, cut after its last tap."""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.backbone.backbone import Backbone

_LAZY_IMPORTS = {
    "Backbone": "backbone",
}

__all__ = [
    "Backbone",
]

__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
