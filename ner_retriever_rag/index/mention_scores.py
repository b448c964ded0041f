"""Every mention of an index with its score for a query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.ranking.ordering import best_first
from ner_retriever_rag.schema import MentionMatch


@dataclass(frozen=True, slots=True)
class Compared:
    """A query compared with all mentions.

    Attributes:
        cosines: float32 ``(types, mentions)``, raw.
        similarities: The same shape, sharpened, with what words add to it; what scores are of.
    """

    cosines: NDArray[np.float32]
    similarities: NDArray[np.float32]


class MentionScores:
    """Every mention of an index with its score for a query.

    Args:
        table: The mentions.
        query: What is looked for.
        compared: The query's types compared with them.
        allowed: bool ``(mentions,)``, which of them may be found.

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
        self._probabilities = query.probabilities(compared.similarities)
        self.scores = query.combine(self._probabilities)

    def best_first(self, floor: float, most: int | None = None) -> NDArray[np.intp]:
        """The mentions that may be found with a score from ``floor`` on, best first.

        Args:
            floor: Least score.
            most: Stop after about so many; None for all.
        """
        similarities = self._compared.similarities.max(axis=0)
        return best_first(self.scores, similarities, self.allowed, floor, most)

    def match(self, mention: int) -> MentionMatch:
        """A mention as a match, for the type it fits best."""
        row = self._query.best_wanted(self._probabilities[:, mention])
        return self._query.mention_match(
            self.table.doc_ids[self.table.owner[mention]],
            self.table.text(mention),
            self.table.span(mention),
            row,
            float(self.scores[mention]),
            float(self._compared.cosines[row, mention]),
        )
