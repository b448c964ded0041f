"""Systems to compare: ours on gold and on detected mentions, and baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag._imports import require
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.evaluation.encodings import cached
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.schema import Document, Span


@dataclass(frozen=True, slots=True)
class Ranking:
    """Output of a system on a task.

    Attributes:
        scores: float32 ``(n_types, n_texts)``, in the order of ``task.queries``; -inf: not found.
        selected: bool, same shape: texts returned by a search for all (``k=None``); None if the
            system has no such search.
        spans: Mentions found in each text; None if the system detects none.
        probabilities: float32, same shape: probability of each text; 0 where nothing was found,
            None if the scores are not probabilities.
    """

    scores: NDArray[np.float32]
    selected: NDArray[np.bool_] | None = None
    spans: list[list[Span]] | None = None
    probabilities: NDArray[np.float32] | None = None


class System(Protocol):
    """Anything that ranks texts for type descriptions."""

    @property
    def name(self) -> str:
        """Name in reports."""

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""


class ByType:
    """This package as a user gets it: an in-memory index, searched with its defaults.

    Args:
        encoder: The encoder.
        detected: Detect the mentions in the text; otherwise use the gold ones.
        sharpen: As in ``EntityIndex.search``.
        rerank: As in ``EntityIndex.search``.
        name: Name in reports; None for one that tells where the mentions are from.
    """

    def __init__(
        self,
        encoder: TypeAwareEncoder,
        *,
        detected: bool,
        sharpen: bool = True,
        rerank: int | None = None,
        name: str | None = None,
    ) -> None:
        self.encoder = encoder
        self.detected = detected
        self._options: dict[str, Any] = {"sharpen": sharpen, "rerank": rerank, "max_matches": 1}
        self.name = name or f"ours, {'detected' if detected else 'gold'} mentions"

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""
        index = EntityIndex(encoder=self.encoder)
        index.add(
            [Document(text, str(number)) for number, text in enumerate(task.texts)],
            spans=None if self.detected else task.spans,
            progress=True,
        )
        scores = np.full((len(task.queries), len(task.texts)), -np.inf, dtype=np.float32)
        selected = np.zeros(scores.shape, dtype=np.bool_)
        for row, query in enumerate(task.queries.values()):
            every = index.search(query, k=len(task.texts), exact=True, **self._options)
            for place, match in enumerate(every):
                scores[row, int(match.doc_id)] = -place  # the rank is finer than a rounded score
            for match in index.search(query, k=None, **self._options):
                selected[row, int(match.doc_id)] = True
        return Ranking(scores, selected, self._spans(index, task) if self.detected else None)

    def _spans(self, index: EntityIndex, task: Task) -> list[list[Span]]:
        documents = [Document(text, str(number)) for number, text in enumerate(task.texts)]
        encoded = index.encoded(documents)
        return [[(each.start, each.end) for each in one.mentions] for one in encoded]


class Bm25:
    """Lexical search for the words of the description (bm25s, English stop words, stemming)."""

    name = "BM25"

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""
        bm25s = require("bm25s", extra="eval")
        stemmer = require("Stemmer", extra="eval").Stemmer("english")

        def words(texts: Sequence[str]) -> list[list[str]]:
            found: list[list[str]] = bm25s.tokenize(
                list(texts), stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False
            )
            return found

        index = bm25s.BM25()
        index.index(words(task.texts), show_progress=False)
        rows = [index.get_scores(query) for query in words(list(task.queries.values()))]
        scores = np.stack(rows).astype(np.float32)
        return Ranking(np.where(scores > 0, scores, np.float32(-np.inf)))  # 0: no query word occurs


class ByEmbedding:
    """Dense retrieval with any sentence-transformers model, of whole texts or of mention strings.

    Args:
        model: Name or folder of the model.
        of_mentions: Embed only each gold mention's words, without its sentence.
        trust_remote_code: Allow code that comes with the model to run.
        cache: Folder of cached embeddings; None disables caching.
    """

    def __init__(
        self,
        model: str,
        *,
        of_mentions: bool = False,
        trust_remote_code: bool = False,
        cache: Path | None = None,
    ) -> None:
        self.model = model
        self.cache = cache
        self.of_mentions = of_mentions
        self.trust_remote_code = trust_remote_code
        what = "mention string" if of_mentions else "whole text"
        self.name = f"{model.rstrip('/').rpartition('/')[2]}, {what}"
        self._known: dict[str, NDArray[np.float32]] = {}

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""
        from ner_retriever_rag.evaluation.baselines import load_baseline

        if self.of_mentions:
            asked = [[t[a:b] for a, b in s] for t, s in zip(task.texts, task.spans, strict=True)]
        else:
            asked = [[text] for text in task.texts]
        baseline = load_baseline(self.model, trust_remote_code=self.trust_remote_code)
        new = sorted({string for each in asked for string in each} - self._known.keys(), key=len)
        if new:
            vectors = cached(
                self.cache, "dense", lambda: (self.model, new), lambda: baseline.texts(new)
            )
            self._known |= dict(zip(new, vectors, strict=True))
        vectors = np.stack([self._known[string] for each in asked for string in each])
        owner = np.repeat(np.arange(len(asked)), [len(each) for each in asked])
        similar = baseline.queries(list(task.queries.values())) @ vectors.T
        return Ranking(best_of_each(similar, owner, len(asked)))


def best_of_each(
    similar: NDArray[np.float32], owner: NDArray[Any], texts: int
) -> NDArray[np.float32]:
    """The best similarity of each text's mentions.

    Args:
        similar: Similarities, ``(n_types, n_mentions)``.
        owner: ``(n_mentions,)``, index of each mention's text.
        texts: Number of texts.

    Returns:
        float32 ``(n_types, texts)``, -inf for texts without a mention.
    """
    best = np.full((len(similar), texts), -np.inf, dtype=np.float32)
    for row, values in zip(best, similar, strict=True):
        np.maximum.at(row, owner, values)
    return best
