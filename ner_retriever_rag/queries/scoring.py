"""Scoring of mentions and documents for a query of one or more types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.log_odds import LogOddsScale
from ner_retriever_rag.encoder.names import names_of
from ner_retriever_rag.queries.description_names import DescriptionNames
from ner_retriever_rag.queries.non_overlapping import NonOverlapping
from ner_retriever_rag.queries.query import (
    Leaf,
    Query,
    combine,
    deciding_leaves,
    label,
    leaves,
    positive_leaves,
    score_range,
)
from ner_retriever_rag.queries.repetition import Repetition
from ner_retriever_rag.schema import Document, DocumentMatch, MentionMatch, Span

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

LeafVector = Callable[[Leaf], NDArray[np.float32]]
_NO_MENTIONS = float("-inf")  # log odds of a document without mentions


class ScoredQuery:
    """A query with its types encoded, ready to score mentions and documents.

    Args:
        query: The query.
        encoder: Converts similarities to log odds, and these to scores.
        vector_of: Gives the vector of a type, float32 ``(dim,)``, L2-normalized.

    Attributes:
        leaves: The query's types; the rows of all arrays here are in their order.
        vectors: float32 ``(types, dim)``.
        scales: For each type, the conversion of similarities to log odds and of these to scores.
        descriptions: The description of each type; None for examples without one.
        repetitions: For each description, recognizes mentions that only repeat it; None likewise.
        names: For each description, recognizes mentions near its names; None likewise.
        score_without_mentions: The score of a document without mentions; above 0 only if decided
            by a ``Not``.
    """

    def __init__(self, query: Query, encoder: TypeAwareEncoder, vector_of: LeafVector) -> None:
        self.query = query
        self.leaves = leaves(query)
        self.vectors = np.stack([vector_of(leaf) for leaf in self.leaves])
        self.scales = [LogOddsScale.of(encoder, vector) for vector in self.vectors]
        described = [leaf if isinstance(leaf, str) else leaf.description for leaf in self.leaves]
        self.descriptions = described
        self.repetitions = [Repetition(each) if each else None for each in described]
        self.names = [DescriptionNames(each) if each else None for each in described]
        self.score_without_mentions = self.highest([0.0] * len(self.leaves))
        self._labels = [label(leaf) for leaf in self.leaves]
        wanted = positive_leaves(query)
        self._positive_rows = [row for row, leaf in enumerate(self.leaves) if leaf in wanted]

    def scores(self, log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert log odds to scores in [0, 1], both float32 ``(types, n)``."""
        there, scores = log_odds != _NO_MENTIONS, np.zeros_like(log_odds)
        for row, some in enumerate(there):
            scores[row, some] = self.scales[row].score(log_odds[row, some])
        return scores

    def combine(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine the scores of the types, ``(types, n)``, to the query's, float32 ``(n,)``."""
        return combine(self.query, dict(zip(self.leaves, scores, strict=True)))

    def highest(self, bounds: Sequence[float]) -> float:
        """The maximum score if no type scores above its bound."""
        return score_range(self.query, dict(zip(self.leaves, bounds, strict=True)))[1]

    def document_match(
        self,
        document: Document,
        spans: Sequence[Span],
        cosines: NDArray[np.float32],
        log_odds: NDArray[np.float32],
        threshold: float,
        max_matches: int | None = None,
        score: float | None = None,
    ) -> DocumentMatch:
        """Score a document and list its mentions of the query's positive types.

        Of overlapping mentions of a type, only the best is listed.

        Args:
            document: The document.
            spans: Its mentions.
            cosines: float32 ``(types, len(spans))``, raw similarities.
            log_odds: The same shape, after all stages of ranking.
            threshold: Minimum probability of a listed mention; those that determine the score are
                always listed.
            max_matches: Maximum number of mentions listed, best first; None for all.
            score: The document's score, if a topic is part of it; None to compute it from the
                mentions.
        """
        if not spans:
            return DocumentMatch(
                document, self.score_without_mentions if score is None else score, []
            )
        probabilities = self.scores(log_odds)
        best = probabilities.max(axis=1, keepdims=True)
        deciding = deciding_leaves(self.query, dict(zip(self.leaves, best, strict=True)))
        places = sorted(
            ((row, n) for row in self._positive_rows for n in range(len(spans))),
            key=lambda place: (-log_odds[place], spans[place[1]][0] - spans[place[1]][1]),
        )
        places.sort(key=lambda place: -probabilities[place])
        # Reversed, so that the best place of each type overwrites the others.
        required = {row: (row, n) for row, n in reversed(places) if self.leaves[row] in deciding}
        shown = [
            place
            for place in places
            if probabilities[place] >= threshold or required.get(place[0]) == place
        ]
        selected = NonOverlapping()
        found = [
            self.mention_match(
                document.id, names_of(document.text, [spans[n]])[0], spans[n], row,
                float(probabilities[row, n]), float(cosines[row, n]),
            )
            for row, n in shown or places[:1]
            if selected.take(row, spans[n])
        ]  # fmt: skip
        if score is None:
            score = float(self.combine(best)[0])
        return DocumentMatch(document, score, found[:max_matches])

    def mention_match(
        self, doc_id: str, text: str, span: Span, row: int, score: float, cosine: float
    ) -> MentionMatch:
        """Make a match of a mention for the type of one row."""
        return MentionMatch(doc_id, text, *span, score, cosine, self._labels[row])

    def best_positive(self, probabilities: NDArray[np.float32]) -> int:
        """The row of the positive type that a mention fits best; -1 if there are none."""
        return max(self._positive_rows, key=lambda row: float(probabilities[row]), default=-1)


def is_cased(text: str) -> bool:
    """Whether a text has capital letters."""
    return text != text.lower()
