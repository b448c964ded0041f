"""Haystack filters translated to Chroma's: the same documents match, or the filter is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haystack.errors import FilterError

_COMPARISONS = {
    "==": "$eq",
    "!=": "$ne",
    ">": "$gt",
    ">=": "$gte",
    "<": "$lt",
    "<=": "$lte",
    "in": "$in",
    "not in": "$nin",
}
_NEGATED = {"==": "!=", "!=": "==", "in": "not in", "not in": "in"}
_META = "meta."


def to_where(filters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Translate a Haystack filter to a Chroma filter on the documents' metadata.

    Args:
        filters: A comparison (``field``, ``operator``, ``value``) or a combination (``operator``,
            ``conditions``); None or empty for no filter.

    Raises:
        FilterError: If it is malformed, or Chroma does not support the comparison: with None, with
            nested values, an ordering comparison of anything but numbers, a field that is not in
            the metadata, or ``NOT`` around an ordering comparison (which documents without the
            field would match).
    """
    return _condition(filters, negated=False) if filters else None


def _condition(filters: Any, *, negated: bool) -> dict[str, Any]:
    if not isinstance(filters, Mapping):
        raise FilterError(f"a filter must be a dictionary, not {filters!r}")
    if "field" in filters:
        return _comparison(filters, negated=negated)
    for key in ("operator", "conditions"):
        if key not in filters:
            raise FilterError(f"'{key}' key missing in {filters}")
    operator, conditions = filters["operator"], filters["conditions"]
    if operator not in ("AND", "OR", "NOT"):
        raise FilterError(f"unknown logical operator {operator!r}: AND, OR and NOT are supported")
    if not conditions:
        raise FilterError(f"'conditions' is empty in {filters}")
    # NOT means "not all of these": push it inward, as an OR of the negated conditions.
    negated ^= operator == "NOT"
    inner = [_condition(each, negated=negated) for each in conditions]
    if len(inner) == 1:
        return inner[0]
    return {"$or" if (operator == "OR") != negated else "$and": inner}


def _comparison(filters: Mapping[str, Any], *, negated: bool) -> dict[str, Any]:
    for key in ("operator", "value"):
        if key not in filters:
            raise FilterError(f"'{key}' key missing in {filters}")
    field, operator, value = filters["field"], filters["operator"], filters["value"]
    if operator not in _COMPARISONS:
        raise FilterError(
            f"unknown comparison operator {operator!r}: {', '.join(_COMPARISONS)} are supported"
        )
    name = field.removeprefix(_META)
    if field == name and name in ("id", "content", "score", "embedding", "blob"):
        raise FilterError(f"{field!r} is not in the metadata, and Chroma filters only on metadata")
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise FilterError(f"{operator!r} needs a list, not {value!r}")
        values = value
    elif operator in ("==", "!="):
        values = [value]
    else:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FilterError(f"Chroma orders only numbers, not {value!r}")
        if negated:
            raise FilterError(f"Chroma has no NOT around {operator!r}: use the opposite comparison")
        return {name: {_COMPARISONS[operator]: value}}
    for each in values:
        if not isinstance(each, str | int | float | bool):
            raise FilterError(f"Chroma compares strings, numbers and bools, not {each!r}")
    return {name: {_COMPARISONS[_NEGATED[operator] if negated else operator]: value}}
