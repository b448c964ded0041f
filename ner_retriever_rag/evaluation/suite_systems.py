"""Systems of a suite: ours on cached encodings, and fused rankings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.evaluation.encodings import Encodings, encode_task
from ner_retriever_rag.evaluation.systems import Ranking
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts, Ranked

_RRF_K = 60  # k of reciprocal rank fusion, as in Cormack, Clarke and Buettcher 2009


class EncodedTasks:
    """Encodings of tasks; those of the task requested last stay in memory.

    Args:
        encoder: The encoder.
        cache: Folder of cached encodings; None disables caching.
    """

    def __init__(self, encoder: TypeAwareEncoder, cache: Path | None) -> None:
        self.encoder, self._cache = encoder, cache
        self._last: tuple[Task, Encodings] | None = None

    def of(self, task: Task) -> Encodings:
        """The encodings of a task's texts."""
        if self._last is None or self._last[0] is not task:
            self._last = task, encode_task(self.encoder, task, self._cache, progress=True)
        return self._last[1]


class CachedSystem:
    """This package on cached encodings; ranks as ``ByType`` does.

    Args:
        encoded: The encodings.
        detected: Use the mentions detected in the text; otherwise the gold ones.
        sharpen: As in ``EntityIndex.search``.
        rerank: As in ``EntityIndex.search``.
        name: Name in reports.
    """

    def __init__(
        self,
        encoded: EncodedTasks,
        *,
        detected: bool,
        sharpen: bool = True,
        rerank: int | None = None,
        name: str,
    ) -> None:
        self.detected, self.name = detected, name
        self.sharpen, self.rerank = sharpen, rerank
        self._encoded = encoded
        self._held: tuple[Task, InMemoryTexts] | None = None

    def held(self, task: Task) -> InMemoryTexts:
        """The texts of a task, ready to search."""
        if self._held is None or self._held[0] is not task:
            found = self._encoded.of(task)
            texts = found.detected if self.detected else found.gold
            self._held = task, InMemoryTexts(self._encoded.encoder, task.texts, texts)
        return self._held[1]

    def subset(self, task: Task, numbers: Sequence[int]) -> InMemoryTexts:
        """Some of a task's texts, as a corpus of their own."""
        found = self._encoded.of(task)
        texts = found.detected if self.detected else found.gold
        return InMemoryTexts(
            self._encoded.encoder, [task.texts[n] for n in numbers], [texts[n] for n in numbers]
        )

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""
        spans = None
        if self.detected:
            found = self._encoded.of(task).detected
            spans = [[(m.start, m.end) for m in one.mentions] for one in found]
        return self.rank_texts(self.held(task), task, spans)

    def rank_texts(
        self, held: InMemoryTexts, task: Task, spans: list[list[tuple[int, int]]] | None = None
    ) -> Ranking:
        """Score some texts for every type of a task.

        Args:
            held: The texts.
            task: The types.
            spans: The mentions found in the texts.
        """
        shape = len(task.queries), len(task.texts)
        scores = np.full(shape, -np.inf, dtype=np.float32)
        probabilities = np.zeros(shape, dtype=np.float32)
        selected = np.zeros(shape, dtype=np.bool_)
        for row, query in enumerate(task.queries.values()):
            found = self.rank_type(held, query)
            scores[row, found.order] = -np.arange(len(found.order))  # finer than rounded scores
            probabilities[row, found.order] = found.scores
            selected[row, found.order] = found.scores >= found.threshold
        return Ranking(scores, selected, spans, probabilities)

    def rank_type(self, held: InMemoryTexts, query: Query) -> Ranked:
        """Rank some texts for one type."""
        return held.rank(query, sharpen=self.sharpen, rerank=self.rerank)


def fuse_rankings(rankings: Sequence[Ranking]) -> Ranking:
    """Fuse rankings by reciprocal rank; a text that a ranking did not find gets 0 from it.

    Args:
        rankings: Rankings of the same types and texts.
    """
    total: NDArray[np.float32] = np.zeros_like(rankings[0].scores)
    for ranking in rankings:
        for row, scores in zip(total, ranking.scores, strict=True):
            order = np.argsort(-scores, kind="stable")
            found = order[scores[order] > -np.inf]
            row[found] += 1 / (_RRF_K + 1 + np.arange(len(found), dtype=np.float32))
    return Ranking(total)
