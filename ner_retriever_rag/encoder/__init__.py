"""The encoder: text to mentions and their vectors, in one forward pass of a transformer.

Names are imported lazily: importing this package does not import torch.
"""

from typing import TYPE_CHECKING

from ner_retriever_rag._imports import loader

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.calibration import Calibration
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder, default_encoder
    from ner_retriever_rag.encoder.head import ProjectionHead
    from ner_retriever_rag.encoder.span_head import SpanHead

_LAZY_IMPORTS = {
    "Calibration": "calibration",
    "ProjectionHead": "head",
    "SpanHead": "span_head",
    "TypeAwareEncoder": "encoder",
    "default_encoder": "encoder",
}

__all__ = [
    "Calibration",
    "ProjectionHead",
    "SpanHead",
    "TypeAwareEncoder",
    "default_encoder",
]

__getattr__ = loader(__name__, _LAZY_IMPORTS)


def __dir__() -> list[str]:
    return sorted(__all__)
