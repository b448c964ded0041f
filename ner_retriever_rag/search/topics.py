"""Search for documents by type and topic together.

A document's score combines its type score and its topic score. Type scores are known for all
documents; text vectors are fetched from Chroma, more of the nearest in each round, until no unseen
document can outrank those seen (the threshold algorithm of Fagin, Lotem and Naor 2003).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.ranking.ordering import largest

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.queries.bounds import Bounds
    from ner_retriever_rag.queries.topic import Topic
    from ner_retriever_rag.storage.protocol import RowReader

_MIN_FIRST_ROUND = 64  # minimum number of documents in the first round
_MAX_SEEN = 5_000  # documents seen at which an approximate search for k results stops widening


def with_topic(
    table: MentionTable,
    scores: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    topic: Topic,
    texts: RowReader,
    bounds: Bounds,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Combined scores, and which documents have one; float32 and bool ``(documents,)``.

    Args:
        table: The documents.
        scores: float32 ``(documents,)``, for the type.
        allowed: bool, same shape; other documents are skipped.
        topic: The topic of the documents.
        texts: Provides their text vectors.
        bounds: The number of results wanted; if all or exact ones are, every text is compared.
    """
    by_type = largest(np.where(allowed, scores, np.float32(-1)), int(allowed.sum()))
    both = np.zeros(len(scores), dtype=np.float32)
    seen = np.zeros(len(scores), dtype=np.bool_)
    everything = bounds.exact or bounds.stop is None
    n = len(by_type) if everything else max(_MIN_FIRST_ROUND, 4 * (bounds.stop or 0))
    while len(by_type):
        n = min(n, len(by_type))  # Chroma allocates memory for as many as are requested
        near = [] if everything else texts.nearest(topic.vector, n, bounds.where)
        rows = np.union1d(by_type[:n], table.documents(doc_id for doc_id, _ in near))
        rows = rows[allowed[rows] & ~seen[rows]]
        about = texts.vectors([table.doc_ids[row] for row in rows])
        cosines = [
            float(about[each] @ topic.vector) if (each := table.doc_ids[row]) in about else 0.0
            for row in rows
        ]
        both[rows] = topic.combine(scores[rows], np.asarray(cosines, dtype=np.float32))
        seen[rows] = True
        if n >= len(by_type):
            break
        full = len(near) >= min(n, texts.max_results or n)
        unseen = topic.combine(float(scores[by_type[n]]), near[-1][1] if full else 0.0)
        reached = np.sort(both[seen])[::-1][: bounds.stop]
        if len(reached) == bounds.stop and (unseen <= reached[-1] or seen.sum() >= _MAX_SEEN):
            break
        n *= 4
    return both, seen
