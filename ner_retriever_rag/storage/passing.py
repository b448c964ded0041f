"""Evaluate metadata filters on records already fetched, as Chroma would.

Chroma evaluates a filter over a whole collection: testing some records takes as long as testing all
of them. A search finds only a few hundred documents.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.protocol import RowReader, Where

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def passes(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a record's metadata passes a filter that Chroma accepts.

    A record without the key passes only negative conditions (``$ne``, ``$nin``,
    ``$not_contains``).

    Args:
        metadata: The record's metadata.
        where: The filter.
    """
    for key, wanted in where.items():
        if key == "$and":
            passed = all(passes(metadata, each) for each in wanted)
        elif key == "$or":
            passed = any(passes(metadata, each) for each in wanted)
        else:
            conditions = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
            passed = all(_holds(metadata.get(key), *each) for each in conditions.items())
        if not passed:
            return False
    return True


def _holds(value: Any, condition: str, wanted: Any) -> bool:
    match condition:
        case "$eq":
            return _equal(value, wanted)
        case "$ne":
            return not _equal(value, wanted)
        case "$in":
            return any(_equal(value, each) for each in wanted)
        case "$nin":
            return not any(_equal(value, each) for each in wanted)
        case "$contains":
            return _contains(value, wanted)
        case "$not_contains":
            return not _contains(value, wanted)
    if condition not in _ORDERED:
        raise ValueError(f"where: {condition!r} is not a condition")
    if not _is_number(value) or not _is_number(wanted):
        return False
    return _ORDERED[condition](value, _as(value, wanted))


def _equal(value: Any, wanted: Any) -> bool:
    """Whether two values are equal and of the same kind: True is not 1."""
    if _is_number(value) and _is_number(wanted):
        return bool(value == _as(value, wanted))
    return type(value) is type(wanted) and bool(value == wanted)


def _as(value: float, wanted: float) -> float:
    """Convert a filter's number for comparison: against an integer, Chroma drops its fraction."""
    return int(wanted) if isinstance(value, int) else float(wanted)


def _contains(value: Any, wanted: Any) -> bool:
    return isinstance(value, list) and any(
        type(each) is type(wanted) and each == wanted for each in value
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def passing(rows: RowReader, ids: Iterable[str], where: Mapping[str, Any]) -> set[str]:
    """Return the ids of the given records that pass a filter.

    Args:
        rows: Their collection.
        ids: Their ids; unknown ones do not pass.
        where: A filter that Chroma accepts.
    """
    found: set[str] = set()
    for some in batches(ids, rows.batch):
        page = rows.get(some, ["metadatas"])
        found.update(
            row_id
            for row_id, metadata in zip(page["ids"], page["metadatas"], strict=True)
            if passes(metadata or {}, where)
        )
    return found


def matching(rows: RowReader, where: Where, most: int) -> list[str] | None:
    """Return the ids of the records that pass a filter; None if there are more than ``most``.

    Args:
        rows: Their collection.
        where: The filter.
        most: The limit.

    Raises:
        ValueError: If Chroma rejects ``where``.
    """
    found = rows.ids(where, most + 1)
    return None if len(found) > most else found
