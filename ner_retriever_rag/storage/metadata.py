"""Metadata as callers have them, in what Chroma can hold.

What Chroma keeps without changing it stays as it is, and can be filtered on. The rest (None, dates,
nested values, NaN, ...) is written as JSON under one key of ours and comes back as it was.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from ner_retriever_rag.schema import Document, encodable

RESERVED = "ner:"
_NO_KEYS = (RESERVED, "chroma:", "#", "$")  # the last three are Chroma's own
_DIGITS, _POWERS = 15, 22  # a double holds all integers of 15 digits, and powers of ten to 22

# Kinds of value that JSON has not: how they are written, and read again.
_KINDS: dict[str, tuple[type | tuple[type, ...], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),  # before date, its base
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "decimal": (Decimal, str, Decimal),
    "uuid": (UUID, str, UUID),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
}


def check_metadata(document: Document) -> None:
    """Check that a document's metadata can be kept exactly.

    Raises:
        ValueError: If not; the message names the document and the key.
    """
    for key, value in document.metadata.items():
        if problem := key_problem(key) or _problem(value):
            raise ValueError(f"metadata key {key!r} of document {document.id!r}: {problem}")


def storable(key: object, value: object) -> bool:
    """Whether a metadata entry can be kept exactly."""
    return not (key_problem(key) or _problem(value))


def split(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Divide metadata into what Chroma holds as it is and JSON of the rest, None without any.

    In both are a date, as ISO text that filters can equal and as itself, and a number of so
    many digits that Chroma 1.5 may change its last bit.
    """
    plain: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in metadata.items():
        value = value.item() if isinstance(value, np.generic) else value
        if is_plain := _is_plain(value):
            plain[key] = value
        elif isinstance(value, date | time):
            plain[key] = value.isoformat()
        if not is_plain or _is_long(value):
            rest[key] = encoded(value)
    return plain, json.dumps(rest, separators=(",", ":")) if rest else None


def joined(plain: Mapping[str, Any], rest: str | None) -> dict[str, Any]:
    """The metadata that ``split`` divided."""
    extra = json.loads(rest) if rest else {}
    return {**plain, **{key: _decoded(value) for key, value in extra.items()}}


def encoded(value: Any) -> Any:
    """A value as JSON can hold it; what JSON holds anyway stays as it is.

    Raises:
        ValueError: If the value is of a kind that cannot be written, or holds itself.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"ner:float": str(value)}
    if isinstance(value, str):
        if not encodable(value):
            raise ValueError("the string holds half of a surrogate pair")
        return value
    if isinstance(value, list | tuple | set | frozenset):
        items = [encoded(each) for each in value]
        if isinstance(value, list):
            return items
        return {"ner:tuple" if isinstance(value, tuple) else "ner:set": items}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith(RESERVED) for key in value):
            return {encoded(key): encoded(each) for key, each in value.items()}
        return {"ner:dict": [[encoded(key), encoded(each)] for key, each in value.items()]}
    for name, (kind, write, _) in _KINDS.items():
        if isinstance(value, kind):
            return {f"{RESERVED}{name}": write(value)}
    raise ValueError(f"a value of type {type(value).__name__} cannot be kept")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if not isinstance(value, dict):
        return value
    tag: str = next(iter(value), "")
    content: Any = value.get(tag)
    match tag:
        case "ner:float":
            return float(content)
        case "ner:tuple":
            return tuple(map(_decoded, content))
        case "ner:set":
            return set(map(_decoded, content))
        case "ner:dict":
            return {_decoded(key): _decoded(each) for key, each in content}
        case str() if tag.startswith(RESERVED):
            return _KINDS[tag.removeprefix(RESERVED)][2](content)
    return {key: _decoded(each) for key, each in value.items()}


def where_error(where: Mapping[str, Any] | None, error: Exception) -> Exception:
    """An error of Chroma's during a search, put down to the filter if there was one."""
    if not where:
        return error
    several = [{key: value} for key, value in where.items()]
    hint = f"; several conditions go together as {{'$and': {several}}}" if len(where) > 1 else ""
    return ValueError(f"where: Chroma refuses {where!r}: {error}{hint}")


def keys_of(where: Mapping[str, Any]) -> set[str]:
    """The metadata keys that a filter asks for."""
    keys: set[str] = set()
    for key, value in where.items():
        if key.startswith("$") and isinstance(value, list):
            keys = keys.union(*(keys_of(each) for each in value if isinstance(each, Mapping)))
        elif not key.startswith("$"):
            keys.add(key)
    return keys


def warn_of_unknown_keys(unknown: Set[str]) -> None:
    """Say which keys of a filter that nothing passes are in no document, if any."""
    if unknown:
        named = ", ".join(map(repr, sorted(unknown)))
        warnings.warn(f"where: no document has the metadata key {named}", stacklevel=2)


def key_problem(key: object) -> str | None:
    """What keeps a metadata key from being stored, in words; None if nothing does."""
    if not isinstance(key, str) or not key or key.startswith(_NO_KEYS):
        return f"keys must be non-empty strings that do not begin with {', '.join(_NO_KEYS)}"
    return None if encodable(key) else "the key holds half of a surrogate pair"


def _problem(value: object) -> str | None:
    try:
        encoded(value)
    except RecursionError:
        return "the value is nested too deep"
    except ValueError as error:
        return str(error)
    return None


def _is_plain(value: object) -> bool:
    """Whether Chroma keeps a value, a number of many digits but for its last bit.

    It drops None, NaN and infinities, and rounds integers beyond 64 bits, all without a word.
    """
    if isinstance(value, list):
        return bool(value) and len({type(each) for each in value}) == 1 and all(map(_is_one, value))
    return _is_one(value)


def _is_long(value: object) -> bool:
    """Whether a plain value is, or holds, a number that Chroma's JSON may round once more.

    It reads digits and a power of ten, which is exact as long as both are exact doubles.
    """
    if isinstance(value, list):
        return any(map(_is_long, value))
    if not isinstance(value, float):
        return False
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    return len(digits) > _DIGITS or abs(int(exponent)) > _POWERS


def _is_one(value: object) -> bool:
    match value:
        case bool() | str():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
    return False
