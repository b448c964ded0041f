"""Extraction of the mentions of given types from an index, as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.non_overlapping import NonOverlapping
from ner_retriever_rag.queries.query import MAX_TYPES, AnyOf, Leaf, Like
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.queries.taxonomy import Taxonomy
from ner_retriever_rag.schema import MentionMatch
from ner_retriever_rag.storage.collection import batches

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.search.mention_scores import Compared

_MAX_SIMILARITIES = 32 << 20  # type-mention similarities in memory; several arrays have this size


def types_per_chunk(mentions: int) -> int:
    """The number of types to compare with this many mentions at once."""
    return min(MAX_TYPES, max(1, _MAX_SIMILARITIES // max(1, mentions)))


def check_types(types: object) -> list[Leaf]:
    """Validate types, and return the distinct ones.

    Raises:
        TypeError: If ``types`` is a string, or holds anything other than descriptions and
            ``Like``.
        ValueError: If it or a description is empty, or it has more than 1,000 types and is not a
            taxonomy.
    """
    if isinstance(types, str) or not isinstance(types, Iterable):
        raise TypeError("types must be a list of type descriptions")
    wanted: list[Leaf] = list(dict.fromkeys(types))
    if not wanted:
        raise ValueError("types is empty: give at least one type description")
    if len(wanted) > MAX_TYPES and not isinstance(types, Taxonomy):
        raise ValueError(f"types are {len(wanted):,}: at most {MAX_TYPES:,} at once")
    for number, each in enumerate(wanted):
        if not isinstance(each, str | Like):
            kind = type(each).__name__
            raise TypeError(f"types[{number}] must be a type description or a Like, not {kind}")
    AnyOf(*wanted)  # validates each type
    return wanted


def extract(
    table: MentionTable,
    query: ScoredQuery,
    compared: Compared,
    allowed: NDArray[np.bool_],
    *,
    score_threshold: float,
    all_types: bool,
    overlapping: bool,
) -> Iterator[MentionMatch]:
    """Yield every mention of some types, document by document; see ``EntityIndex.extract``.

    Args:
        table: The mentions.
        query: The types, as ``AnyOf``.
        compared: The types compared with all mentions.
        allowed: bool ``(documents,)``, which documents to extract from.
        score_threshold: Minimum probability.
        all_types: Yield every type that passes, not only the best-fitting one.
        overlapping: Also yield mentions that overlap better ones.
    """
    scores = query.scores(compared.log_odds)
    passing = (scores >= score_threshold) & allowed[table.owner]
    if not all_types and len(table):
        passing &= np.arange(len(scores))[:, None] == scores.argmax(axis=0)
    if not overlapping:
        for row, of_type in enumerate(passing):
            order = np.lexsort((table.starts - table.ends, -scores[row]))
            kept = list(table.non_overlapping(order[of_type[order]].tolist()))
            of_type[:] = False
            of_type[kept] = True
    found = np.flatnonzero(passing.any(axis=0))
    for places in np.split(found, np.flatnonzero(np.diff(table.owner[found])) + 1):
        rows = [
            query.mention_match(
                table.doc_ids[table.owner[n]], table.text(n), table.span(n), int(row),
                float(scores[row, n]), float(compared.cosines[row, n]),
            )
            for n in places
            for row in np.flatnonzero(passing[:, n])
        ]  # fmt: skip
        yield from sorted(rows, key=lambda row: (row.start, row.end))


def extract_in_parts(
    types: Sequence[Leaf],
    rows_of: Callable[[AnyOf, bool], Iterator[MentionMatch]],
    *,
    chunk_size: int,
    all_types: bool,
    overlapping: bool,
) -> Iterator[MentionMatch]:
    """Extract many types in chunks, with the same result as all at once.

    Args:
        types: All types.
        rows_of: Yields the rows of some types, with or without overlapping ones.
        chunk_size: Number of types per chunk.
        all_types: As in :func:`extract`.
        overlapping: As in :func:`extract`.
    """
    if len(types) <= chunk_size:
        return rows_of(AnyOf(*types), overlapping)
    best: dict[tuple[str, int, int, str], MentionMatch] = {}
    for some in batches(types, chunk_size):
        # Keep overlapping rows for now: the best may turn out to be of another type in a later
        # chunk, and then no longer suppresses the others.
        for row in rows_of(AnyOf(*some), True):
            key = (row.doc_id, row.start, row.end, row.type if all_types else "")
            if key not in best or row.score > best[key].score:
                best[key] = row
    rows = sorted(best.values(), key=lambda row: (row.doc_id, row.start, row.end))
    if not overlapping:
        chosen = NonOverlapping()
        ranked = sorted(rows, key=lambda row: (-row.score, row.start - row.end))
        kept = {
            id(row) for row in ranked if chosen.take((row.doc_id, row.type), (row.start, row.end))
        }
        rows = [row for row in rows if id(row) in kept]
    return iter(rows)
