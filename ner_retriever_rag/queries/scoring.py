"""Scores of mentions and documents for a query of one type or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.likeness import bare_name, type_vector
from ner_retriever_rag.queries.query import (
    Leaf,
    Query,
    combine,
    deciding_leaves,
    label,
    leaves,
    score_range,
    wanted_leaves,
)
from ner_retriever_rag.schema import Document, DocumentMatch, MentionMatch, Span

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

LeafVector = Callable[[Leaf], NDArray[np.float32]]


class ScoredQuery:
    """A query with its types encoded, ready to score mentions and documents.

    Args:
        query: What is looked for.
        encoder: What turns similarities into probabilities.
        vector_of: The vector of each type, float32 ``(dim,)``, L2-normalised.

    Attributes:
        leaves: The query's types; rows of every array here are in their order.
        vectors: float32 ``(types, dim)``.
    """

    def __init__(self, query: Query, encoder: TypeAwareEncoder, vector_of: LeafVector) -> None:
        self.query, self._encoder = query, encoder
        self.leaves = leaves(query)
        self.vectors = np.stack([vector_of(leaf) for leaf in self.leaves])
        self._labels = [label(leaf) for leaf in self.leaves]
        wanted = wanted_leaves(query)
        self._wanted = [row for row, leaf in enumerate(self.leaves) if leaf in wanted]

    def probabilities(
        self, mentions: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compare mentions with every type.

        Args:
            mentions: float32 ``(n, dim)``.

        Returns:
            Probabilities and cosines, each float32 ``(types, n)``.
        """
        similarities = self.vectors @ mentions.T
        scores = [
            self._encoder.score(vector, row)
            for vector, row in zip(self.vectors, similarities, strict=True)
        ]
        return np.stack(scores), similarities

    def score_at(self, row: int, similarity: float) -> float:
        """The probability of one type at a cosine."""
        at = np.asarray([similarity], dtype=np.float32)
        return float(self._encoder.score(self.vectors[row], at)[0])

    def combine(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The query's scores, float32 ``(n,)``, from those of its types, ``(types, n)``."""
        return combine(self.query, dict(zip(self.leaves, scores, strict=True)))

    def highest(self, bounds: Sequence[float]) -> float:
        """The greatest score where no type's is above its bound."""
        return score_range(self.query, dict(zip(self.leaves, bounds, strict=True)))[1]

    def document_match(
        self,
        document: Document,
        spans: Sequence[Span],
        mentions: NDArray[np.float32],
        threshold: float,
    ) -> DocumentMatch:
        """Score a document and list its mentions of the types that count for it.

        Args:
            document: The document.
            spans: Its mentions.
            mentions: float32 ``(len(spans), dim)``, their vectors.
            threshold: Least probability of a mention that is listed; those the score comes from are
                in any case.
        """
        if not spans:
            score = float(self.combine(np.zeros((len(self.leaves), 1), dtype=np.float32))[0])
            return DocumentMatch(document, score, [])
        probabilities, similarities = self.probabilities(mentions)
        best = probabilities.max(axis=1, keepdims=True)
        deciding = deciding_leaves(self.query, dict(zip(self.leaves, best, strict=True)))
        places = sorted(
            ((row, n) for row in self._wanted for n in range(len(spans))),
            key=lambda place: (-probabilities[place], -similarities[place]),
        )
        # Reversed, so that the best place of a type is what stays.
        owed = {row: (row, n) for row, n in reversed(places) if self.leaves[row] in deciding}
        shown = [
            place
            for place in places
            if probabilities[place] >= threshold or owed.get(place[0]) == place
        ]
        found = [
            self.mention_match(document, spans[n], row, probabilities[row, n], similarities[row, n])
            for row, n in shown or places[:1]
        ]
        return DocumentMatch(document, float(self.combine(best)[0]), found)

    def mention_match(
        self, document: Document, span: Span, row: int, score: float, similarity: float
    ) -> MentionMatch:
        """A mention as a match for the type of one row."""
        start, end = span
        return MentionMatch(
            document.id,
            document.text[start:end],
            start,
            end,
            float(score),
            float(similarity),
            self._labels[row],
        )

    def best_wanted(self, probabilities: NDArray[np.float32]) -> int:
        """Which of the types that count for a mention it fits best; -1 if none counts for it."""
        return max(self._wanted, key=lambda row: float(probabilities[row]), default=-1)


def match_documents(
    encoder: TypeAwareEncoder,
    documents: Sequence[Document],
    query: Query,
    threshold: float = 0.5,
) -> list[DocumentMatch]:
    """What a search would say of documents that are in no index.

    Args:
        encoder: Finds and encodes their mentions.
        documents: The documents.
        query: A type description or a combination; examples go by their bare names.
        threshold: Least probability of a mention that is listed; the best one is in any case.

    Returns:
        One match a document, in their order, however low its score.
    """
    scored = ScoredQuery(query, encoder, lambda leaf: type_vector(leaf, encoder, bare_name))
    encoded = encoder.encode([document.text for document in documents])
    return [
        scored.document_match(
            document, [(each.start, each.end) for each in one.mentions], one.vectors, threshold
        )
        for document, one in zip(documents, encoded, strict=True)
    ]
