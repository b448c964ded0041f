"""Encoded texts searched without a database, by the code that searches an index.

What Chroma stores and gives back is the same, but takes longer than all the rest of a search of a
thousand texts; an evaluation that asks for hundreds of rankings of whole corpora goes without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import table_of
from ner_retriever_rag.index.mention_scores import compare, scored_over
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.ranking.ordering import best_first
from ner_retriever_rag.ranking.query import Stage
from ner_retriever_rag.schema import Document, EncodedText

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


@dataclass(frozen=True, slots=True)
class Ranked:
    """All texts for one query.

    Attributes:
        order: int64 ``(found,)``, numbers of the texts with a mention, best first.
        scores: float32 ``(found,)``, the score of each.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float32]


class HeldTexts:
    """Encoded texts, to be ranked.

    Args:
        encoder: What encoded them; encodes queries.
        texts: The texts.
        encoded: What each was encoded to.
    """

    def __init__(
        self, encoder: TypeAwareEncoder, texts: Sequence[str], encoded: Sequence[EncodedText]
    ) -> None:
        documents = [Document(text, str(number)) for number, text in enumerate(texts)]
        self._encoder = encoder
        self._table, _ = table_of(documents, encoded, encoder.dim)
        self._numbers = np.array([int(each) for each in self._table.doc_ids], dtype=np.int64)

    def rank(
        self, query: Query, *, sharpen: bool = True, stages: Sequence[Stage] | None = None
    ) -> Ranked:
        """Rank all texts for a query, as ``EntityIndex.search`` does.

        Args:
            query: As in ``EntityIndex.search``.
            sharpen: As in ``EntityIndex.search``.
            stages: As in :func:`~ner_retriever_rag.ranking.stages.rank`.
        """
        table = self._table
        scored = scored_over(table, query, self._encoder)
        compared = compare(table, scored, sharpen=sharpen, stages=stages)
        best = table.best_of_each(compared.log_odds)
        scores = scored.combine(scored.scores(best))
        order = best_first(scores, best.max(axis=0), np.diff(table.first) > 0, 0.0)
        return Ranked(self._numbers[order], scores[order])
