"""Take the entities of given types out of an index, as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.store import Store, StoredDocument
from ner_retriever_rag.queries.query import AnyOf, Leaf, Like
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.schema import MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

_PAGE = 500  # documents read at once

LeafVector = Callable[[Leaf], NDArray[np.float32]]


def check_types(types: object) -> list[Leaf]:
    """Return the distinct types asked for.

    Raises:
        TypeError: If ``types`` is a string, or holds something else than descriptions and
            ``Like``.
        ValueError: If it is empty or a description is.
    """
    if isinstance(types, str) or not isinstance(types, Iterable):
        raise TypeError("types must be a list of type descriptions")
    wanted = list(dict.fromkeys(types))
    if not wanted:
        raise ValueError("types is empty: give at least one type description")
    for number, each in enumerate(wanted):
        if not isinstance(each, str | Like):
            kind = type(each).__name__
            raise TypeError(f"types[{number}] must be a type description or a Like, not {kind}")
    AnyOf(*wanted)
    return wanted


def extract(
    store: Store,
    encoder: TypeAwareEncoder,
    types: Sequence[Leaf],
    vector_of: LeafVector,
    *,
    score_threshold: float,
    where: Mapping[str, Any] | None,
    all_types: bool,
    overlapping: bool,
) -> Iterator[MentionMatch]:
    """Yield every mention of some types, document by document; ``EntityIndex.extract`` explains.

    Args:
        store: Where the mentions are.
        encoder: What turns similarities into probabilities.
        types: Checked types.
        vector_of: The vector of each type.
        score_threshold: Least probability.
        where: Metadata filter.
        all_types: Every type that passes, not only the one that fits best.
        overlapping: Mentions within others too.
    """
    query = ScoredQuery(AnyOf(*types), encoder, vector_of)
    doc_ids = store.texts.ids(where)
    while page := list(islice(doc_ids, _PAGE)):
        records = store.fetch(page)
        ids = [each for record in records.values() for each in record.mention_ids]
        vectors = store.vectors(ids)
        if not vectors:
            continue
        scores, similarities = query.probabilities(np.stack(list(vectors.values())))
        column = {mention_id: number for number, mention_id in enumerate(vectors)}
        passing = scores >= score_threshold
        if not all_types:
            passing &= np.arange(len(scores))[:, None] == scores.argmax(axis=0)
        for record in records.values():
            rows = list(_rows(record, column, query, passing, scores, similarities))
            yield from rows if overlapping else _without_overlaps(rows)


def _rows(
    record: StoredDocument,
    column: Mapping[str, int],
    query: ScoredQuery,
    passing: NDArray[np.bool_],
    scores: NDArray[np.float32],
    similarities: NDArray[np.float32],
) -> Iterator[MentionMatch]:
    for mention_id, span in zip(record.mention_ids, record.spans, strict=True):
        n = column.get(mention_id)
        if n is None:  # deleted this very moment
            continue
        for row in np.flatnonzero(passing[:, n]):
            yield query.mention_match(
                record.document, span, int(row), scores[row, n], similarities[row, n]
            )


def _without_overlaps(rows: Sequence[MentionMatch]) -> list[MentionMatch]:
    """Of rows of one type that overlap keep the best, and the longer one of equals."""
    kept: list[MentionMatch] = []
    for each in sorted(rows, key=lambda row: (-row.score, row.start - row.end)):
        if not any(
            other.type == each.type and other.start < each.end and each.start < other.end
            for other in kept
        ):
            kept.append(each)
    return sorted(kept, key=lambda row: (row.start, row.end))
