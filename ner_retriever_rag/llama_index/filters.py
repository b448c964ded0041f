"""LlamaIndex's metadata filters as Chroma's ``where``."""

from __future__ import annotations

from typing import Any

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

_OPERATORS = {
    FilterOperator.EQ: "$eq",
    FilterOperator.NE: "$ne",
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
    FilterOperator.IN: "$in",
    FilterOperator.NIN: "$nin",
    FilterOperator.CONTAINS: "$contains",
}
_CONDITIONS = {FilterCondition.AND: "$and", FilterCondition.OR: "$or"}


def to_where(filters: MetadataFilters | None) -> dict[str, Any] | None:
    """Translate LlamaIndex filters to a Chroma ``where``.

    Args:
        filters: May be nested; None or empty for no filter.

    Raises:
        TypeError: If ``filters`` is not ``MetadataFilters``.
        ValueError: If Chroma has no such operator or condition; the message names it.
    """
    if filters is None:
        return None
    if not isinstance(filters, MetadataFilters):
        raise TypeError(f"filters must be MetadataFilters, not {type(filters).__name__}")
    parts = [
        part
        for each in filters.filters
        if (
            part := to_where(each) if isinstance(each, MetadataFilters) else _translate_filter(each)
        )
    ]
    condition = filters.condition or FilterCondition.AND
    if condition not in _CONDITIONS:
        raise ValueError(f"filters: Chroma has no condition {condition.value!r}")
    # Chroma requires at least two parts in a condition.
    return {_CONDITIONS[condition]: parts} if len(parts) > 1 else next(iter(parts), None)


def _translate_filter(wanted: MetadataFilter) -> dict[str, Any]:
    if wanted.operator not in _OPERATORS:
        raise ValueError(
            f"filters: Chroma has no operator {wanted.operator.value!r} (on key {wanted.key!r})"
        )
    if wanted.value is None:
        raise ValueError(
            f"filters: operator {wanted.operator.value!r} on key {wanted.key!r} has no value"
        )
    return {wanted.key: {_OPERATORS[wanted.operator]: wanted.value}}
