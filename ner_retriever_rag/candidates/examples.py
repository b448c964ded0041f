"""Vectors of query examples, taken from their mentions in an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.query import Example
from ner_retriever_rag.queries.query_vectors import bare_name_vector, mean_vector
from ner_retriever_rag.schema import MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.protocol import CandidateSource
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


class IndexedExamples:
    """Look up the vectors of examples among candidates.

    Args:
        source: The candidates.
    """

    def __init__(self, source: CandidateSource) -> None:
        self._source = source

    def __call__(self, encoder: TypeAwareEncoder, example: Example) -> NDArray[np.float32]:
        """Return the mean vector of an example's mentions, or of its bare name if it has none."""
        if isinstance(example, MentionMatch):
            return self._vector_of(example)
        name = example.strip()
        found = self._source.of_names([name])
        spelled = [n for n in range(len(found)) if found.text(n).casefold() == name.casefold()]
        if not spelled:
            return bare_name_vector(encoder, example)
        return mean_vector(list(found.vectors[spelled]))

    def _vector_of(self, match: MentionMatch) -> NDArray[np.float32]:
        """Return the vector of the mention that an earlier search returned as a match."""
        found = self._source.of_documents([match.doc_id])
        for n in range(len(found)):
            if found.span(n) == (match.start, match.end):
                vector: NDArray[np.float32] = found.vectors[n]
                return vector
        raise ValueError(
            f"example {match.text!r} ({match.start}-{match.end}) is no longer a mention of "
            f"document {match.doc_id!r}"
        )
