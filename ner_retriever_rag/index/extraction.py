"""Take the entities of given types out of an index, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.query import MOST_TYPES, AnyOf, Like
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.schema import MentionMatch

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.index.mention_scores import Compared


def check_types(types: object) -> AnyOf:
    """Return any of the distinct types asked for.

    Raises:
        TypeError: If ``types`` is a string, or holds something else than descriptions and
            ``Like``.
        ValueError: If it is empty or a description is, or it has more than 1,000.
    """
    if isinstance(types, str) or not isinstance(types, Iterable):
        raise TypeError("types must be a list of type descriptions")
    wanted = list(dict.fromkeys(types))
    if not wanted:
        raise ValueError("types is empty: give at least one type description")
    if len(wanted) > MOST_TYPES:
        raise ValueError(f"types are {len(wanted):,}: at most {MOST_TYPES:,} at once")
    for number, each in enumerate(wanted):
        if not isinstance(each, str | Like):
            kind = type(each).__name__
            raise TypeError(f"types[{number}] must be a type description or a Like, not {kind}")
    return AnyOf(*wanted)


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
    """Yield every mention of some types, document by document; ``EntityIndex.extract`` explains.

    Args:
        table: The mentions.
        query: The types, as ``AnyOf``.
        compared: The types compared with all mentions.
        allowed: bool ``(documents,)``, where to look.
        score_threshold: Least probability.
        all_types: Every type that passes, not only the one that fits best.
        overlapping: Mentions within others too.
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
