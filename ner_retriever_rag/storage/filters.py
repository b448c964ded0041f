"""Callers' metadata filters: what is passed on to Chroma, and what is rejected.

Chroma compiles a filter to SQL recursively, within SQLite's limits. A filter somewhat beyond them
fails with an internal error that looks like a damaged index, and one far beyond them crashes the
process or the server. So a filter's size is checked before Chroma sees it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Set
from typing import Any

from ner_retriever_rag._markup import short_repr, truncate
from ner_retriever_rag.storage.protocol import Where

# Limits measured with Chroma 1.5: 988 conditions side by side, 62 levels, and SQLite's 32,766
# variables, of which a number takes two.
CONDITIONS, DEPTH, VALUES = 900, 50, 32_000
_ERRORS_OF_SIZE = ("Expression tree is too large", "too many SQL variables")
_MAX_MESSAGE = 500  # characters of Chroma's own message


def filter_of(where: Where) -> dict[str, Any] | None:
    """Return a filter as Chroma accepts it; an empty one becomes None.

    Raises:
        TypeError: If it is not a mapping.
        ValueError: If it is larger than Chroma can handle.
    """
    if where is not None and not isinstance(where, Mapping):
        raise TypeError(
            f"where must be a mapping such as {{'lang': 'en'}}, not {short_repr(where)}"
        )
    if not where:
        return None
    _measure(where)
    return dict(where)


def where_error(where: Where, error: Exception) -> Exception:
    """Attribute an error of Chroma's during a search to the filter, if there was one."""
    if not where:
        return error
    if is_about_size(error):
        return ValueError("where is too large for Chroma: use fewer conditions and values")
    several = short_repr([{key: value} for key, value in where.items()])
    hint = f"; combine several conditions as {{'$and': {several}}}" if len(where) > 1 else ""
    return ValueError(
        f"where: Chroma rejects {short_repr(where)}: {truncate(str(error), _MAX_MESSAGE)}{hint}"
    )


def is_about_size(error: Exception) -> bool:
    """Whether an internal error of Chroma's means that the filter was too large."""
    return any(each in str(error) for each in _ERRORS_OF_SIZE)


def keys_of(where: Mapping[str, Any]) -> set[str]:
    """Return the metadata keys that a filter uses."""
    keys: set[str] = set()
    for key, value in where.items():
        if key.startswith("$") and isinstance(value, list):
            keys = keys.union(*(keys_of(each) for each in value if isinstance(each, Mapping)))
        elif not key.startswith("$"):
            keys.add(key)
    return keys


def warn_of_unknown_keys(unknown: Set[str]) -> None:
    """Warn of keys, in a filter that nothing passes, that no document has."""
    if unknown:
        named = ", ".join(map(repr, sorted(unknown)))
        warnings.warn(
            f"where: no document has the metadata key {named} with a value that filters can match",
            stacklevel=2,
        )


def _measure(where: Mapping[str, Any]) -> None:
    """Check that Chroma can handle a filter, level by level, as it may contain itself."""
    level: list[Mapping[str, Any]] = [where]
    conditions = values = 0
    for _ in range(DEPTH + 1):
        below: list[Mapping[str, Any]] = []
        for each in level:
            for key, value in each.items():
                if key in ("$and", "$or") and isinstance(value, list | tuple):
                    below += (part for part in value if isinstance(part, Mapping))
                else:
                    conditions += 1
                    values += _variables(value)
            if conditions + len(below) > 2 * CONDITIONS:
                break
        if max(conditions, len(below)) > CONDITIONS:
            raise ValueError(f"where has too many conditions: at most {CONDITIONS} are allowed")
        if values > VALUES:
            raise ValueError(
                f"where: too many values: at most {VALUES:,} are allowed, and a number counts twice"
            )
        if not below:
            return
        level = below
    raise ValueError(
        f"where is nested too deep: at most {DEPTH} of $and and $or within one another are allowed"
    )


def _variables(condition: object) -> int:
    """Return the number of SQLite variables that a condition needs."""
    values = list(condition.values()) if isinstance(condition, Mapping) else [condition]
    flat = (one for each in values for one in (each if isinstance(each, list | tuple) else [each]))
    return sum(1 if isinstance(one, str) else 2 for one in flat)
