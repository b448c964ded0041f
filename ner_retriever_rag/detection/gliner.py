"""GLiNER as a mention detector, through the package ``gliner2`` (extra ``gliner``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ner_retriever_rag._imports import require
from ner_retriever_rag.detection.spans import mentions_from_spans
from ner_retriever_rag.schema import Mention

# GLiNER finds only what it is prompted with, so it is prompted with everything that has a name.
# The types only steer detection; none of them reaches the index.
EVERYTHING_NAMED = (
    "person", "group of people", "organization", "place", "building or monument", "event",
    "work of art", "product or brand", "vehicle", "species or other living thing", "disease",
    "chemical or drug", "award", "language", "law or document", "game", "celestial body",
)  # fmt: skip


class GLiNERDetector:
    """Finds mentions with a GLiNER model (Zaratiana et al., NAACL 2024; GLiNER2, 2025).

    Args:
        model: Hub id or folder of a GLiNER2 or GLiNER2.5 checkpoint, or a loaded model (anything
            with gliner2's ``batch_extract_entities_long``).
        labels: The types that it is prompted with.
        threshold: Minimum confidence of a mention, in [0, 1].
        batch_size: Chunks (of at most 384 words) per batch.
        device: Device for a model given by name; None leaves it on the CPU.

    Raises:
        ImportError: If ``gliner2`` is not installed and ``model`` is a name.
        OSError: If there is no such checkpoint.
        ValueError: If ``labels`` is empty.
    """

    def __init__(
        self,
        model: str | Path | Any = "fastino/gliner2.5-base-v1",
        *,
        labels: Sequence[str] = EVERYTHING_NAMED,
        threshold: float = 0.5,
        batch_size: int = 8,
        device: str | None = None,
    ) -> None:
        if isinstance(labels, str) or not labels:
            raise ValueError("labels must be a list of at least one type to prompt with")
        if isinstance(model, str | Path):
            package = require("gliner2", extra="gliner")
            model = package.AutoExtractor.from_pretrained(str(model), map_location=device)
        self.model = model
        self.labels = list(labels)
        self.threshold = threshold
        self.batch_size = batch_size

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        """Find the mentions of each text, whatever their type; long texts are read in chunks."""
        if not texts:
            return []
        results = self.model.batch_extract_entities_long(
            list(texts),
            self.labels,
            batch_size=self.batch_size,
            threshold=self.threshold,
            include_confidence=True,
            include_spans=True,
        )
        return [
            mentions_from_spans(
                text,
                (
                    (found["start"], found["end"], float(found["confidence"]))
                    for of_type in result["entities"].values()
                    for found in of_type
                ),
            )
            for text, result in zip(texts, results, strict=True)
        ]
