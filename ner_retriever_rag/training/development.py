"""Score a model during training on sentences with typed mentions, to choose settings."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.evaluation.formats import read_lines
from ner_retriever_rag.evaluation.metrics import r_precision
from ner_retriever_rag.evaluation.tasks import read_type_names
from ner_retriever_rag.training.mined import MentionContext


@dataclass(frozen=True, slots=True)
class DevelopmentTask:
    """Sentences with typed mentions for choosing settings, never for training.

    Attributes:
        contexts: Every mention in its sentence.
        sentence_index: Index of each mention's sentence.
        labels: Type label of each mention.
        queries: Maps each scored label to its query text.
    """

    contexts: list[MentionContext]
    sentence_index: NDArray[np.int64]
    labels: list[str]
    queries: dict[str, str]

    @classmethod
    def load(cls, path: str | Path, names: str | Path, limit: int | None = None) -> DevelopmentTask:
        """Read ``{"text", "mentions"}`` lines and the mapping of labels to query texts.

        Args:
            path: The sentences.
            names: JSON file; a key is the part of a label after ``-``. "Other" is not scored.
            limit: Maximum number of sentences, sampled with a fixed seed.
        """
        rows = read_lines(path)
        if limit is not None and limit < len(rows):
            rows = random.Random(0).sample(rows, limit)
        asked = read_type_names(names)
        contexts, sentence, labels = [], [], []
        for i, row in enumerate(rows):
            for start, end, label in row.mentions:
                contexts.append(MentionContext(row.text, start, end))
                sentence.append(i)
                labels.append(label)
        queries = {
            label: asked[key]
            for label in sorted(set(labels))
            if asked[key := label.partition("-")[2]] != "Other"
        }
        return cls(contexts, np.array(sentence), labels, queries)

    def r_precision(
        self, mentions: NDArray[np.float32], types: NDArray[np.float32]
    ) -> dict[str, float]:
        """R-Precision of every scored type over sentences, each scored by its best mention.

        Args:
            mentions: ``(len(contexts), dim)``.
            types: ``(len(queries), dim)``, in the order of ``queries``.
        """
        count = int(self.sentence_index.max()) + 1
        labels = np.array(self.labels)
        figures = {}
        for label, vector in zip(self.queries, types, strict=True):
            best = np.full(count, -np.inf, dtype=np.float32)
            np.maximum.at(best, self.sentence_index, mentions @ vector)
            gold = np.zeros(count, dtype=bool)
            gold[self.sentence_index[labels == label]] = True
            figures[label] = r_precision(best, gold)
        return figures
