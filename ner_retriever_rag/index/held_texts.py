"""Encoded texts searched without a database, by the code that searches an index.

What Chroma stores and gives back is the same, but takes longer than all the rest of a search of a
thousand texts; an evaluation that asks for hundreds of rankings of whole corpora goes without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable, read_table
from ner_retriever_rag.index.search import Search
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.ranking.ordering import best_first
from ner_retriever_rag.schema import Document, EncodedText
from ner_retriever_rag.storage.records import StoredDocument, distinct_spans

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.tables import Tables
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.store import Store


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
        store = cast("Store", _Given(texts, encoded))
        self._table = read_table(store, encoder.dim)
        self._numbers = np.array([int(each) for each in self._table.doc_ids], dtype=np.int64)
        self._search = Search(store, cast("Tables", _Current(self._table)), encoder)

    def rank(self, query: Query, *, sharpen: bool = True) -> Ranked:
        """Rank all texts for a query, as ``EntityIndex.search`` does.

        Args:
            query: As in ``EntityIndex.search``.
            sharpen: As in ``EntityIndex.search``.
        """
        table = self._table
        scored = self._search.scored(query, table)
        bounds = Bounds.check(k=None, sharpen=sharpen)
        compared = self._search.compare(table, scored, bounds)
        best = table.best_of_each(compared.similarities)
        scores = scored.combine(scored.probabilities(best))
        order = best_first(scores, best.max(axis=0), np.diff(table.first) > 0, 0.0)
        return Ranked(self._numbers[order], scores[order])


class _Given:
    """As much of a store as a table is made from."""

    def __init__(self, texts: Sequence[str], encoded: Sequence[EncodedText]) -> None:
        self._records = [
            StoredDocument(str(number), "", distinct_spans(one), Document(text, str(number)))
            for number, (text, one) in enumerate(zip(texts, encoded, strict=True))
        ]
        self._encoded = encoded

    def pages(self, **_: Any) -> Iterator[list[StoredDocument]]:
        yield self._records

    def vectors(self, records: Iterable[StoredDocument], _: int) -> dict[str, NDArray[np.float32]]:
        found = {}
        for record in records:
            one = self._encoded[int(record.doc_id)]
            rows = {(m.start, m.end): row for row, m in enumerate(one.mentions)}
            found[record.doc_id] = one.vectors[[rows[span] for span in record.spans]]
        return found


class _Current:
    """A table that stays as it is."""

    def __init__(self, table: MentionTable) -> None:
        self._table = table

    def current(self) -> MentionTable:
        return self._table
