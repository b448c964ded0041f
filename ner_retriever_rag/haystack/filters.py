"""Haystack's filters as Chroma's: the same documents pass, or the filter is refused."""

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
    """A Haystack filter as a Chroma filter on the documents' metadata.

    Args:
        filters: A comparison (``field``, ``operator``, ``value``) or a combination (``operator``,
            ``conditions``); None or empty for none.

    Raises:
        FilterError: If it is malformed, or Chroma has no such comparison: with None, with values
            nested in others, of order between anything but numbers, of a field that is not in the
            metadata, or ``NOT`` around a comparison of order (which documents without the field
            would pass).
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
        raise FilterError(f"unknown logical operator {operator!r}: AND, OR and NOT are known")
    if not conditions:
        raise FilterError(f"'conditions' is empty in {filters}")
    # NOT is "not all of these", so it is pushed inwards: or, of each one's opposite.
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
            f"unknown comparison operator {operator!r}: {', '.join(_COMPARISONS)} are known"
        )
    name = field.removeprefix(_META)
    if field == name and name in ("id", "content", "score", "embedding", "blob"):
        raise FilterError(f"{field!r} is not in the metadata, and Chroma filters only these")
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise FilterError(f"{operator!r} needs a list, not {value!r}")
        values = value
    elif operator in ("==", "!="):
        values = [value]
    else:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FilterError(f"Chroma puts numbers in order and nothing else, not {value!r}")
        if negated:
            raise FilterError(f"Chroma has no NOT around {operator!r}: use the opposite comparison")
        return {name: {_COMPARISONS[operator]: value}}
    for each in values:
        if not isinstance(each, str | int | float | bool):
            raise FilterError(f"Chroma compares strings, numbers and bools, not {each!r}")
    return {name: {_COMPARISONS[_NEGATED[operator] if negated else operator]: value}}
