"""Scores of mentions and documents for a query of one type or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.apart import Apart
from ner_retriever_rag.queries.likeness import bare_name, type_vector
from ner_retriever_rag.queries.named import NamedWords, names_nearby
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
from ner_retriever_rag.queries.repetition import Repetition
from ner_retriever_rag.schema import Document, DocumentMatch, EncodedText, MentionMatch, Span

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

LeafVector = Callable[[Leaf], NDArray[np.float32]]
_NOT_THERE = float("-inf")  # the similarity of a document without mentions


class ScoredQuery:
    """A query with its types encoded, ready to score mentions and documents.

    Args:
        query: What is looked for.
        encoder: What turns similarities into probabilities.
        vector_of: The vector of each type, float32 ``(dim,)``, L2-normalised.

    Attributes:
        leaves: The query's types; rows of every array here are in their order.
        vectors: float32 ``(types, dim)``.
        repetitions: What a mention that only repeats each type's description loses; None for
            examples, which say no words.
        named: What a mention near the names in each type's description gains; None likewise.
        without: The score of a document without mentions; above 0 only where ``Not`` decides.
    """

    def __init__(self, query: Query, encoder: TypeAwareEncoder, vector_of: LeafVector) -> None:
        self.query, self._encoder = query, encoder
        self.leaves = leaves(query)
        self.vectors = np.stack([vector_of(leaf) for leaf in self.leaves])
        described = [leaf if isinstance(leaf, str) else leaf.description for leaf in self.leaves]
        self.repetitions = [Repetition(each) if each else None for each in described]
        self.named = [NamedWords(each) if each else None for each in described]
        self.without = self.highest([0.0] * len(self.leaves))
        self._labels = [label(leaf) for leaf in self.leaves]
        wanted = wanted_leaves(query)
        self._wanted = [row for row, leaf in enumerate(self.leaves) if leaf in wanted]

    def probabilities(self, similarities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated probabilities, float32 ``(types, n)``, from similarities of that shape."""
        there, scores = similarities != _NOT_THERE, np.zeros_like(similarities)
        for row, some in enumerate(there):
            scores[row, some] = self.probability(row, similarities[row, some])
        return scores

    def probability(self, row: int, similarities: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same for one type: float32 ``(n,)`` from ``(n,)``."""
        return self._encoder.score(self.vectors[row], similarities)

    def combine(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The query's scores, float32 ``(n,)``, from those of its types, ``(types, n)``."""
        return combine(self.query, dict(zip(self.leaves, scores, strict=True)))

    def highest(self, bounds: Sequence[float]) -> float:
        """The greatest score where no type's is above its bound."""
        return score_range(self.query, dict(zip(self.leaves, bounds, strict=True)))[1]

    def by_words(self, text: str, spans: Sequence[Span]) -> NDArray[np.float32]:
        """What words add to the cosines of a text's mentions, float32 ``(types, n)``."""
        cased, nearby = is_cased(text), names_nearby(text, spans)
        costs = [
            [each.lowered_by(text[slice(*span)], cased=cased) if each else 0.0 for span in spans]
            for each in self.repetitions
        ]
        gains = [each.raised_by(nearby) if each else np.zeros(len(spans)) for each in self.named]
        return np.asarray(gains, dtype=np.float32) - np.asarray(costs, dtype=np.float32)

    def document_match(
        self,
        document: Document,
        spans: Sequence[Span],
        cosines: NDArray[np.float32],
        similarities: NDArray[np.float32],
        threshold: float,
        max_matches: int | None = None,
    ) -> DocumentMatch:
        """Score a document and list its mentions of the types that count for it.

        Of mentions of a type that overlap, the best is listed.

        Args:
            document: The document.
            spans: Its mentions.
            cosines: float32 ``(types, len(spans))``, raw.
            similarities: The same shape, what the probabilities are made of.
            threshold: Least probability of a mention that is listed; those the score comes from are
                in any case.
            max_matches: List at most so many, the best; None for all.
        """
        if not spans:
            return DocumentMatch(document, self.without, [])
        probabilities = self.probabilities(similarities)
        best = probabilities.max(axis=1, keepdims=True)
        deciding = deciding_leaves(self.query, dict(zip(self.leaves, best, strict=True)))
        places = sorted(
            ((row, n) for row in self._wanted for n in range(len(spans))),
            key=lambda place: (-similarities[place], spans[place[1]][0] - spans[place[1]][1]),
        )
        places.sort(key=lambda place: -probabilities[place])
        # Reversed, so that the best place of a type is what stays.
        owed = {row: (row, n) for row, n in reversed(places) if self.leaves[row] in deciding}
        shown = [
            place
            for place in places
            if probabilities[place] >= threshold or owed.get(place[0]) == place
        ]
        apart = Apart()
        found = [
            self.mention_match(
                document.id, document.text[slice(*spans[n])], spans[n], row,
                float(probabilities[row, n]), float(cosines[row, n]),
            )
            for row, n in shown or places[:1]
            if apart.take(row, spans[n])
        ]  # fmt: skip
        return DocumentMatch(document, float(self.combine(best)[0]), found[:max_matches])

    def mention_match(
        self, doc_id: str, text: str, span: Span, row: int, score: float, cosine: float
    ) -> MentionMatch:
        """A mention as a match for the type of one row."""
        return MentionMatch(doc_id, text, *span, score, cosine, self._labels[row])

    def best_wanted(self, probabilities: NDArray[np.float32]) -> int:
        """Which of the types that count for a mention it fits best; -1 if none counts for it."""
        return max(self._wanted, key=lambda row: float(probabilities[row]), default=-1)


def match_documents(
    encoder: TypeAwareEncoder,
    documents: Sequence[Document],
    query: Query,
    threshold: float = 0.5,
    encoded: Sequence[EncodedText] | None = None,
) -> list[DocumentMatch]:
    """What a search would say of documents that are in no index.

    Args:
        encoder: Finds and encodes their mentions.
        documents: The documents.
        query: A type description or a combination; examples go by their bare names.
        threshold: Least probability of a mention that is listed; the best one is in any case.
        encoded: Their mentions and vectors, where these are known; None encodes them.

    Returns:
        One match a document, in their order, however low its score.
    """
    if encoded is None:
        encoded = encoder.encode([document.text for document in documents])
    scored = ScoredQuery(query, encoder, lambda leaf: type_vector(leaf, encoder, bare_name))
    matches = []
    for document, one in zip(documents, encoded, strict=True):
        cosines = scored.vectors @ one.vectors.T
        spans = [(mention.start, mention.end) for mention in one.mentions]
        similarities = cosines + scored.by_words(document.text, spans)
        matches.append(scored.document_match(document, spans, cosines, similarities, threshold))
    return matches


def is_cased(text: str) -> bool:
    """Whether a text uses capitals."""
    return text != text.lower()
