"""In-memory search over encoded texts, with the code that searches an index.

Chroma would return the same data, but a round trip takes longer than the rest of a search over a
thousand texts; evaluations that need hundreds of rankings of whole corpora skip it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import table_of
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD, reranked_mentions
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.ranking.judged import JudgedType, Judgements
from ner_retriever_rag.ranking.ordering import best_first
from ner_retriever_rag.ranking.query import Stage
from ner_retriever_rag.schema import Document, EncodedText, Span
from ner_retriever_rag.search.judged_types import judged_mentions
from ner_retriever_rag.search.mention_scores import (
    compare,
    scored_query_on_table,
    unlimited_threshold,
)
from ner_retriever_rag.search.reranking import reranker

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


@dataclass(frozen=True, slots=True)
class Ranked:
    """The ranking of all texts for one query.

    Attributes:
        order: int64 ``(found,)``, numbers of the texts with a mention, best first.
        scores: float32 ``(found,)``, their scores.
        threshold: The threshold of an unlimited search.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float32]
    threshold: float


class InMemoryTexts:
    """Encoded texts held in memory, to be ranked.

    Args:
        encoder: The encoder of the texts, used for queries.
        texts: The texts.
        encoded: Their encodings.
    """

    def __init__(
        self, encoder: TypeAwareEncoder, texts: Sequence[str], encoded: Sequence[EncodedText]
    ) -> None:
        documents = [Document(text, str(number)) for number, text in enumerate(texts)]
        self._encoder = encoder
        self._table, _ = table_of(documents, encoded, encoder.dim)
        by_id = {document.id: document.text for document in documents}
        self._rerank = reranker(encoder, lambda _: by_id)
        self._numbers = np.array([int(each) for each in self._table.doc_ids], dtype=np.int64)
        self._judged: dict[str, JudgedType] = {}

    def rank(
        self,
        query: Query,
        *,
        sharpen: bool = True,
        rerank: int | None = None,
        stages: Sequence[Stage] | None = None,
    ) -> Ranked:
        """Rank all texts for a query, as ``EntityIndex.search`` does.

        Args:
            query: As in ``EntityIndex.search``.
            sharpen: As in ``EntityIndex.search``.
            rerank: As in ``EntityIndex.search``.
            stages: As in :func:`~ner_retriever_rag.ranking.stages.rank`.
        """
        table = self._table
        scored = scored_query_on_table(table, query, self._encoder)
        known = self._judged.get(query) if isinstance(query, str) else None
        judged = None if known is None else lambda _: known.log_odds
        compared = compare(
            table,
            scored,
            sharpen=sharpen,
            rerank=self._rerank,
            rerank_top=reranked_mentions(rerank, None),
            judged=judged,
            stages=stages,
        )
        best = table.best_of_each(compared.log_odds)
        scores = scored.combine(scored.scores(best))
        order = best_first(scores, best.max(axis=0), np.diff(table.first) > 0, 0.0)
        threshold = unlimited_threshold(scored, scores[order], DEFAULT_THRESHOLD)
        return Ranked(self._numbers[order], scores[order], threshold)

    def best_mentions(self, description: str, count: int) -> list[tuple[int, Span]]:
        """The best mentions of a type, without reranking: the numbers of their texts, and spans.

        Args:
            description: The type description.
            count: Maximum number of mentions.
        """
        table = self._table
        log_odds = compare(table, scored_query_on_table(table, description, self._encoder)).log_odds
        numbers = self._numbers[table.owner]
        best = np.argsort(-log_odds[0], kind="stable")[:count].tolist()
        return [(int(numbers[mention]), table.span(mention)) for mention in best]

    def judge(self, description: str, right: Iterable[int], wrong: Iterable[int]) -> None:
        """Judge texts for a description, as ``EntityIndex.judge``; earlier judgments are dropped.

        Args:
            description: The type description, as used in ``rank``.
            right: Indices of texts that mention the type.
            wrong: Indices of texts that do not.
        """
        self._judged = {}
        judged = [(number, True) for number in right] + [(number, False) for number in wrong]
        if not judged:
            return
        table = self._table
        log_odds = compare(
            table, scored_query_on_table(table, description, self._encoder)
        ).log_odds[0]
        mentions: list[int] = []
        verdicts: list[bool] = []
        informative: list[bool] = []
        for number, verdict in judged:
            found = judged_mentions(table, log_odds, table.row_of[str(number)], verdict)
            mentions += found
            verdicts += [verdict] * len(found)
            informative += [place == 0 for place in range(len(found))]
        self._judged = {
            description: JudgedType.fit(
                Judgements(
                    np.asarray(table.vectors)[mentions],
                    log_odds[mentions],
                    np.array(verdicts, dtype=np.bool_),
                    np.array(informative, dtype=np.bool_),
                )
            )
        }
