"""Comparison of a query with all mentions of a table, and the resulting scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.examples import IndexedExamples
from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.candidates.table_source import TableSource
from ner_retriever_rag.candidates.words import word_features
from ner_retriever_rag.queries.query import Query, check_query
from ner_retriever_rag.queries.query_vectors import type_vector
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.ranking.ordering import best_first
from ner_retriever_rag.ranking.query import Judged, Reranker, Stage, TypeQuery, Wanted
from ner_retriever_rag.ranking.stages import rank
from ner_retriever_rag.ranking.threshold import expected_f1_threshold
from ner_retriever_rag.schema import MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.protocol import CandidateSource
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

# Takes a type description, a table and numbers of its mentions, ``(m,)``; returns their logits.
Rerank = Callable[[str, MentionTable, NDArray[np.intp]], NDArray[np.floating]]
# Takes a type description; returns its fitted judgments, or None if there are none.
JudgedOf = Callable[[str], Judged | None]


@dataclass(frozen=True, slots=True)
class Compared:
    """A query compared with all mentions.

    Attributes:
        cosines: float32 ``(types, mentions)``, raw similarities.
        log_odds: The same shape, after all stages of ranking.
    """

    cosines: NDArray[np.float32]
    log_odds: NDArray[np.float32]


def scored_query_on_table(
    table: MentionTable, query: Query, encoder: TypeAwareEncoder
) -> ScoredQuery:
    """Check a query and encode its types; examples are looked up among the mentions of a table."""
    return scored_query(TableSource(lambda: table), query, encoder)


def scored_query(source: CandidateSource, query: Query, encoder: TypeAwareEncoder) -> ScoredQuery:
    """Check a query and encode its types; examples are looked up in a source of candidates."""
    examples = IndexedExamples(source)
    return ScoredQuery(
        check_query(query), encoder, lambda leaf: type_vector(leaf, encoder, examples)
    )


def compare(
    table: MentionTable,
    query: ScoredQuery,
    *,
    sharpen: bool = True,
    wanted: Wanted | None = None,
    rerank: Rerank | None = None,
    rerank_top: int = 0,
    judged: JudgedOf | None = None,
    named: bool | None = None,
    stages: Sequence[Stage] | None = None,
) -> Compared:
    """Compare a query's types with all mentions of a table: the entry point of all scoring.

    Args:
        table: The mentions.
        query: The types.
        sharpen: Whether to smooth scores over neighboring mentions.
        wanted: Which mentions need exact log odds; None for all.
        rerank: The pair model, applied to the best mentions of each type without examples.
        rerank_top: Maximum number of mentions to rerank.
        judged: Gives the fitted judgments of a type by its description; None for no judgments.
        named: Whether names are wanted, not common nouns; None to decide from the best mentions.
        stages: As in :func:`~ner_retriever_rag.ranking.stages.rank`.
    """
    cosines = query.vectors @ table.vectors.T
    log_odds = np.empty_like(cosines)
    for row, (leaf, vector, scale, words, description) in enumerate(
        zip(
            query.leaves,
            query.vectors,
            query.scales,
            word_features(table, query),
            query.descriptions,
            strict=True,
        )
    ):
        known = judged(description) if judged is not None and description else None
        second: Reranker | None = None
        # Examples say more than the description, which is all that the pair model reads.
        if rerank is not None and isinstance(leaf, str):
            second = partial(rerank, leaf, table)
        asked = TypeQuery(
            vector, cosines[row], scale, words, wanted, named, second, rerank_top, known
        )
        log_odds[row] = rank(asked, table, sharpen=sharpen, stages=stages)
    return Compared(cosines, log_odds)


def unlimited_threshold(query: ScoredQuery, scores: NDArray[np.float32], floor: float) -> float:
    """The threshold of an unlimited search for which none was given.

    It maximizes the expected F1 if scores are probabilities.

    Args:
        query: The query.
        scores: float32 ``(n,)``, of all possible results.
        floor: The threshold to use if scores are not probabilities.
    """
    if query.score_without_mentions > 0 or not all(scale.calibrated for scale in query.scales):
        return floor
    return expected_f1_threshold(scores)


class MentionScores:
    """The mentions of a table with their scores for a query.

    Args:
        table: The mentions.
        query: The query.
        compared: The query's types compared with the mentions.
        allowed: bool ``(mentions,)``, which mentions may be returned.

    Attributes:
        scores: float32 ``(mentions,)``.
    """

    def __init__(
        self,
        table: MentionTable,
        query: ScoredQuery,
        compared: Compared,
        allowed: NDArray[np.bool_],
    ) -> None:
        self.table, self.allowed = table, allowed
        self._query, self._compared = query, compared
        self._probabilities = query.scores(compared.log_odds)
        self.scores = query.combine(self._probabilities)

    def best_first(self, floor: float, limit: int | None = None) -> NDArray[np.intp]:
        """The allowed mentions with a score of at least ``floor``, best first.

        Args:
            floor: Minimum score.
            limit: Approximate number to stop after; None for all.
        """
        nearness = self._compared.log_odds.max(axis=0)
        return best_first(self.scores, nearness, self.allowed, floor, limit)

    def document_scores(self) -> NDArray[np.float32]:
        """The scores of documents, combined from their best mentions, float32 ``(documents,)``.

        0 for a document without an allowed mention.
        """
        best = self.table.best_of_each(self._compared.log_odds)
        scores = self._query.combine(self._query.scores(best))
        may_be = np.zeros(len(scores), dtype=np.bool_)
        may_be[self.table.owner[self.allowed]] = True
        return np.where(may_be, scores, np.float32(0))

    def match(self, mention: int) -> MentionMatch:
        """Make a match of a mention, with the type it fits best."""
        row = self._query.best_positive(self._probabilities[:, mention])
        return self._query.mention_match(
            self.table.doc_ids[self.table.owner[mention]],
            self.table.text(mention),
            self.table.span(mention),
            row,
            float(self.scores[mention]),
            float(self._compared.cosines[row, mention]),
        )
