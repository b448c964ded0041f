"""spaCy pipelines as mention detectors (extra ``spacy``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from ner_retriever_rag._imports import require
from ner_retriever_rag.detection.spans import ScoredSpan, mentions_by_passage
from ner_retriever_rag.schema import Mention

# OntoNotes also labels values as entities; they name nothing.
VALUES = ("CARDINAL", "DATE", "MONEY", "ORDINAL", "PERCENT", "QUANTITY", "TIME")


class SpacyDetector:
    """Uses the entities (``doc.ents``) of a spaCy pipeline as mentions.

    Args:
        pipeline: Name or folder of a pipeline, or a loaded one; one of its components must set
            entities (``ner``, ``entity_ruler``, ...).
        leave_out: Entity labels to skip; by default numbers, dates and the like.
        batch_size: Texts per batch.

    Raises:
        ImportError: If spaCy is not installed.
        OSError: If there is no pipeline of that name; spaCy's message says how to get it.
        ValueError: If no component of the pipeline sets entities.
    """

    def __init__(
        self,
        pipeline: str | Path | Any = "en_core_web_sm",
        *,
        leave_out: Collection[str] = VALUES,
        batch_size: int = 64,
    ) -> None:
        if isinstance(pipeline, str | Path):
            pipeline = require("spacy", extra="spacy").load(pipeline)
        if not any("doc.ents" in pipeline.get_pipe_meta(n).assigns for n in pipeline.pipe_names):
            raise ValueError(
                "the spaCy pipeline sets no entities: none of its components "
                f"({', '.join(pipeline.pipe_names) or 'it has none'}) recognizes them, as ner does"
            )
        self.pipeline = pipeline
        self.leave_out = frozenset(leave_out)
        self.batch_size = batch_size

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        """Find the mentions of each text. spaCy gives no confidence: every score is 1."""
        return mentions_by_passage(texts, self.pipeline.max_length, self._entities)

    def _entities(self, passages: list[str]) -> Iterator[list[ScoredSpan]]:
        for doc in self.pipeline.pipe(passages, batch_size=self.batch_size):
            yield [
                (entity.start_char, entity.end_char, 1.0)
                for entity in doc.ents
                if entity.label_ not in self.leave_out
            ]
