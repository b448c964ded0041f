"""What is compared: ours on gold and on detected mentions, and what one would use otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag._imports import require
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.schema import EncodedText, Span

DEFAULT_SCORE = 0.5  # what a search for everything takes for its threshold


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a system makes of a task.

    Attributes:
        scores: float32 ``(n_types, n_texts)``, in the order of ``task.queries``; -inf: not found.
        selected: bool, same shape: over the default threshold; None without one.
        spans: The mentions it found in each text; None if it looks for none.
    """

    scores: NDArray[np.float32]
    selected: NDArray[np.bool_] | None = None
    spans: list[list[Span]] | None = None


class System(Protocol):
    """Anything that ranks texts for type descriptions."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""


class ByType:
    """This package: a text's score is that of its best mention.

    Args:
        encoder: The encoder.
        detected: Find the mentions in the bare text; otherwise take the gold ones.
    """

    def __init__(self, encoder: TypeAwareEncoder, *, detected: bool) -> None:
        self.encoder = encoder
        self.detected = detected
        self.name = f"ours, {'detected' if detected else 'gold'} mentions"
        self._known: dict[str, EncodedText] = {}  # tasks share texts

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""
        new = [i for i, text in enumerate(task.texts) if text not in self._known]
        encoded = self.encoder.encode(
            [task.texts[i] for i in new],
            None if self.detected else [task.spans[i] for i in new],
            progress=True,
        )
        self._known |= {task.texts[i]: each for i, each in zip(new, encoded, strict=True)}
        of_texts = [self._known[text] for text in task.texts]
        owner = np.repeat(np.arange(len(of_texts)), [len(each.mentions) for each in of_texts])
        vectors = np.concatenate([each.vectors for each in of_texts])
        types = self.encoder.encode_types(list(task.queries.values()))
        scores = best_of_each(types @ vectors.T, owner, len(of_texts))
        least = [[self.encoder.similarity_at(vector, DEFAULT_SCORE)] for vector in types]
        spans = [[(m.start, m.end) for m in each.mentions] for each in of_texts]
        return Ranking(scores, scores >= np.array(least), spans if self.detected else None)


class Bm25:
    """Lexical search for the words of the description (bm25s, English stop words, stemmed)."""

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
        return Ranking(np.stack(rows).astype(np.float32))


class ByEmbedding:
    """Dense retrieval with any sentence-transformers model: of whole texts, or of mention strings.

    Args:
        model: Name or folder.
        of_mentions: Embed each gold mention's words alone, without its sentence.
        trust_remote_code: Allow code that comes with the model to run.
    """

    def __init__(
        self, model: str, *, of_mentions: bool = False, trust_remote_code: bool = False
    ) -> None:
        self.model = model
        self.of_mentions = of_mentions
        self.trust_remote_code = trust_remote_code
        what = "mention string" if of_mentions else "whole text"
        self.name = f"{model.rstrip('/').rpartition('/')[2]}, {what}"
        self._known: dict[str, NDArray[np.float32]] = {}

    def rank(self, task: Task) -> Ranking:
        """Score every text for every type."""
        from ner_retriever_rag.evaluation.rivals import load_rival

        if self.of_mentions:
            asked = [[t[a:b] for a, b in s] for t, s in zip(task.texts, task.spans, strict=True)]
        else:
            asked = [[text] for text in task.texts]
        rival = load_rival(self.model, trust_remote_code=self.trust_remote_code)
        new = sorted({string for each in asked for string in each} - self._known.keys(), key=len)
        if new:
            self._known |= dict(zip(new, rival.texts(new), strict=True))
        vectors = np.stack([self._known[string] for each in asked for string in each])
        owner = np.repeat(np.arange(len(asked)), [len(each) for each in asked])
        similar = rival.queries(list(task.queries.values())) @ vectors.T
        return Ranking(best_of_each(similar, owner, len(asked)))


def best_of_each(
    similar: NDArray[np.float32], owner: NDArray[Any], texts: int
) -> NDArray[np.float32]:
    """The best of each text's mentions.

    Args:
        similar: ``(n_types, n_mentions)``.
        owner: ``(n_mentions,)``, number of the text of each.
        texts: How many texts.

    Returns:
        float32 ``(n_types, texts)``, -inf for texts without a mention.
    """
    best = np.full((len(similar), texts), -np.inf, dtype=np.float32)
    for row, values in zip(best, similar, strict=True):
        np.maximum.at(row, owner, values)
    return best
