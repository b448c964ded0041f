"""Examples as an index knows them: the vectors of their mentions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.likeness import bare_name, mean_vector
from ner_retriever_rag.queries.query import Example
from ner_retriever_rag.queries.repetition import last_word
from ner_retriever_rag.schema import MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


class IndexedExamples:
    """Finds the vectors of examples among the mentions of an index.

    Args:
        table: The mentions.
    """

    def __init__(self, table: MentionTable) -> None:
        self._table = table

    def __call__(self, encoder: TypeAwareEncoder, example: Example) -> NDArray[np.float32]:
        """The mean vector of an example's mentions, or that of its bare name if it has none."""
        if isinstance(example, MentionMatch):
            vector: NDArray[np.float32] = self._table.vectors[self._place(example)]
            return vector
        name = example.strip().casefold()
        alike = np.flatnonzero(self._table.last_words == last_word(name)).tolist()
        places = [n for n in alike if self._table.text(n).casefold() == name]
        if not places:
            return bare_name(encoder, example)
        return mean_vector(list(self._table.vectors[places]))

    def _place(self, match: MentionMatch) -> int:
        """Which mention a match found earlier is."""
        for row in self._table.documents([match.doc_id]):
            places = self._table.mentions_of(int(row))
            for n in range(places.start, places.stop):
                if self._table.span(n) == (match.start, match.end):
                    return n
        raise ValueError(
            f"example {match.text!r} ({match.start}-{match.end}) is no longer a mention of "
            f"document {match.doc_id!r}"
        )
