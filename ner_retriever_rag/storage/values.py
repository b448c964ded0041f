"""Encode metadata values as JSON, so that the decoded value equals the original.

What JSON lacks (dates, tuples, sets, NaN, ...) becomes an object whose first key begins with
``ner:`` and names its kind. A value that would not be restored equal is rejected before anything is
written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from ner_retriever_rag.schema import is_utf8_encodable, type_name

RESERVED = "ner:"
MOST_NESTED = 100  # levels; a reader may have less of Python's stack left than the writer
MOST_VALUES = 1_000_000  # in one metadata entry, all levels together
_LONG_INTEGER = 2_000  # bits; Python refuses to convert some longer ones to or from decimal


def _parse_datetime(content: str, zone: str | None, fold: int, kind: Any) -> Any:
    """Parse a datetime or time; if its zone is unknown here, only the offset is restored."""
    moment = kind.fromisoformat(content)
    if zone is not None:
        try:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        except (OSError, ValueError, KeyError):  # the time zone data differs between machines
            pass
    return moment.replace(fold=fold)


# Kinds of value that JSON lacks: how they are encoded and decoded.
_KINDS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),  # before date, its base
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "timedelta": (
        timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda content: timedelta(*content),
    ),
    "decimal": (Decimal, str, Decimal),
    "uuid": (UUID, str, UUID),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
}


def plain(value: Any) -> Any:
    """Convert a value of a NumPy type, an Enum and the like to an equal built-in Python value.

    Only to an equal one: an ``IntEnum`` becomes its number, ``numpy.float32`` a float.
    """
    if isinstance(value, np.generic) and value.dtype.kind not in "mM":
        value = value.item()
    if isinstance(value, bool) or type(value) in (str, int, float):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, float) else value


def encoded(value: Any) -> Any:
    """Encode a value for JSON; what JSON can represent anyway is unchanged.

    Equal sets have the same encoding, in any process.

    Raises:
        ValueError: If the value is of a kind that would not be restored exactly, is nested too
            deep, or holds too many values.
    """
    return _Encoding().encoded(value)


class _Encoding:
    """Encodes one value, and counts the values in it."""

    def __init__(self) -> None:
        self._values = 0

    def encoded(self, value: Any, depth: int = 0) -> Any:
        self._values += 1
        if depth > MOST_NESTED:
            raise ValueError(f"the value is nested too deep, more than {MOST_NESTED} levels")
        if self._values > MOST_VALUES:
            raise ValueError(f"the value holds more than {MOST_VALUES:,} values")
        value = plain(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return {"ner:int": hex(value)} if value.bit_length() > _LONG_INTEGER else value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"ner:float": str(value)}
        if isinstance(value, str):
            if not is_utf8_encodable(value):
                raise ValueError("the string holds half of a surrogate pair")
            return value
        if isinstance(value, np.generic):
            if value.dtype.kind not in "mM":
                raise ValueError(f"a value of type {type_name(value)} cannot be stored")
            return {"ner:numpy": [str(value.dtype), int(value.astype(np.int64))]}
        if isinstance(value, list | tuple | set | frozenset):
            return self._several(value, depth + 1)
        if isinstance(value, Mapping):
            return self._mapping(value, depth + 1)
        return _single(value)

    def _several(self, value: Any, depth: int) -> Any:
        items = [self.encoded(each, depth) for each in value]
        if isinstance(value, list):
            return items
        if isinstance(value, tuple):
            return {"ner:tuple": items}
        # A set's order differs between processes.
        items.sort(key=json.dumps)
        return {"ner:frozenset" if isinstance(value, frozenset) else "ner:set": items}

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        items = [
            (self.encoded(key, depth), self.encoded(each, depth)) for key, each in value.items()
        ]
        if all(isinstance(key, str) and not key.startswith(RESERVED) for key, _ in items):
            return dict(items)
        return {"ner:dict": [list(each) for each in items]}


def _single(value: Any) -> dict[str, Any]:
    """Encode a value of one of ``_KINDS``; reject it if information would be lost."""
    for name, (kind, write, read) in _KINDS.items():
        if not isinstance(value, kind):
            continue
        content: dict[str, Any] = {f"{RESERVED}{name}": write(value)}
        if isinstance(value, datetime | time):
            content |= {"zone": value.tzinfo.key} if isinstance(value.tzinfo, ZoneInfo) else {}
            content |= {"fold": value.fold} if value.fold else {}
            if not _same_datetime(value, decoded(content)):
                break
        # Compare what is written: a signaling NaN cannot be compared with anything.
        elif write(read(write(value))) != write(value) or (
            isinstance(value, timedelta) and read(write(value)) != value
        ):
            break
        return content
    else:
        raise ValueError(f"a value of type {type_name(value)} cannot be stored")
    raise ValueError(
        f"{value!r} of type {type_name(value)} would not come back unchanged (Python's dates and "
        "times have microseconds and no NaT): round it, or pass it as text or numpy.datetime64"
    )


def _same_datetime(one: Any, other: Any) -> bool:
    """Whether two dates or times are the same, whatever the class of their time zones."""
    clocks = one.replace(tzinfo=None) == other.replace(tzinfo=None)
    return bool(clocks) and one.utcoffset() == other.utcoffset()


def decoded(value: Any) -> Any:
    """Decode what ``encoded`` returned."""
    if isinstance(value, list):
        return [decoded(each) for each in value]
    if not isinstance(value, dict):
        return value
    tag: str = next(iter(value), "")
    content: Any = value.get(tag)
    match tag:
        case "ner:int":
            return int(content, 16)
        case "ner:float":
            return float(content)
        case "ner:numpy":
            return np.array(content[1], dtype=np.int64).view(content[0])[()]
        case "ner:datetime" | "ner:time":
            kind = _KINDS[tag.removeprefix(RESERVED)][0]
            return _parse_datetime(content, value.get("zone"), value.get("fold", 0), kind)
        case "ner:tuple":
            return tuple(map(decoded, content))
        case "ner:set":
            return set(map(_hashable, content))
        case "ner:frozenset":
            return frozenset(map(_hashable, content))
        case "ner:dict":
            return {_hashable(key): decoded(each) for key, each in content}
        case str() if tag.startswith(RESERVED):
            return _KINDS[tag.removeprefix(RESERVED)][2](content)
    return {key: decoded(each) for key, each in value.items()}


def _hashable(value: Any) -> Any:
    """Decode a set's element or a key; earlier versions wrote a frozenset as a set."""
    found = decoded(value)
    return frozenset(found) if isinstance(found, set) else found
