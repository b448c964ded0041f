"""Convert callers' metadata to what Chroma can store, and back.

What Chroma stores unchanged is passed through and can be filtered on. The rest (None, dates, nested
values, long lists, NaN, ...) is written as JSON under one key of ours and is restored exactly.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np

from ner_retriever_rag.schema import Document, is_utf8_encodable
from ner_retriever_rag.storage.values import RESERVED, decoded, encoded, plain

# Chroma writes a record's keys in one SQL statement and the elements of its lists in another, with
# six variables for each; SQLite allows 32,766. Beyond that the record stays in Chroma's log, Chroma
# cannot get past it, and nothing of the collection can be read again. The maximum is 5,460 keys.
MOST_KEPT = 5_000  # keys, and elements of lists
LONGEST_LIST = 256  # elements; a longer list is stored as JSON
_NO_KEYS = (RESERVED, "chroma:", "#", "$")  # the last three are Chroma's own
_DIGITS, _POWERS = 15, 22  # a double holds all 15-digit integers and powers of ten up to 22


def check_metadata(document: Document) -> None:
    """Check that a document's metadata can be stored exactly.

    Raises:
        ValueError: If not; the message names the document and, if it is a single one, the key.
    """
    for key, value in document.metadata.items():
        if problem := key_problem(key) or _problem(value):
            raise ValueError(f"metadata key {key!r} of document {document.id!r}: {problem}")
    if (count := _rows(document.metadata)) > MOST_KEPT:
        raise ValueError(
            f"the metadata of document {document.id!r} has {count:,} values (keys, and elements of "
            f"lists of up to {LONGEST_LIST}), more than the {MOST_KEPT:,} that can be written: put "
            "those that no filter uses into one nested value, which is stored as JSON"
        )


def storable(key: object, value: object) -> bool:
    """Whether a metadata entry can be stored exactly."""
    return not (key_problem(key) or _problem(value))


def split(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Split metadata into what Chroma stores as is and JSON of the rest, None if there is none.

    Two kinds of value are in both: a date, as ISO text that filters can match and as itself, and a
    number that Chroma changes (it loses the sign of zero, and Chroma 1.5 may round the last of many
    digits).
    """
    held: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in metadata.items():
        value = _as_held(value)
        if is_plain := _is_plain(value):
            held[key] = value
        elif (text := _as_text(value)) is not None:
            held[key] = text
        if not is_plain or _is_changed(value):
            rest[key] = encoded(value)
    return held, json.dumps(rest, separators=(",", ":")) if rest else None


def merge(held: Mapping[str, Any], rest: str | None) -> dict[str, Any]:
    """Reassemble the metadata that ``split`` split."""
    extra = json.loads(rest) if rest else {}
    return {**held, **{key: decoded(value) for key, value in extra.items()}}


def key_problem(key: object) -> str | None:
    """Return why a metadata key cannot be stored, in words; None if it can."""
    if not isinstance(key, str) or not key or key.startswith(_NO_KEYS):
        return f"keys must be non-empty strings that do not begin with {', '.join(_NO_KEYS)}"
    return None if is_utf8_encodable(key) else "the key holds half of a surrogate pair"


def _problem(value: object) -> str | None:
    """Return why a value would not be restored exactly, in words; None if it would."""
    held = _as_held(value)
    try:
        if not _is_plain(held) or not _all_encodable(held):
            decoded(json.loads(json.dumps(encoded(held))))
    except RecursionError:
        return "the value is nested too deep"
    except (ValueError, TypeError) as error:
        return str(error)
    return None


def _all_encodable(value: Any) -> bool:
    """Whether the strings of a plain value can be encoded."""
    some = value if isinstance(value, list) else [value]
    return all(is_utf8_encodable(each) for each in some if isinstance(each, str))


def _rows(metadata: Mapping[str, Any]) -> int:
    """Return the number of rows that Chroma writes for metadata."""
    held, _ = split(metadata)
    return len(held) + sum(len(value) for value in held.values() if isinstance(value, list))


def _as_held(value: Any) -> Any:
    """Convert a value, or the elements of a list, to Python's built-in types."""
    return [plain(each) for each in value] if isinstance(value, list) else plain(value)


def _as_text(value: Any) -> str | None:
    """Return a date or time in ISO format, which filters can match; None for anything else."""
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, np.datetime64) and not np.isnat(value) else None


def _is_plain(value: object) -> bool:
    """Whether Chroma stores a value, apart from the changes that ``_is_changed`` detects.

    It silently drops None, NaN and infinities, and rounds integers beyond 64 bits.
    """
    if isinstance(value, list):
        few = 0 < len(value) <= LONGEST_LIST
        return few and len({type(each) for each in value}) == 1 and all(map(_is_one, value))
    return _is_one(value)


def _is_changed(value: object) -> bool:
    """Whether a plain value is, or contains, a number that Chroma may change.

    Its JSON parser reads digits and a power of ten, which is exact if both are exact doubles.
    """
    if isinstance(value, list):
        return any(map(_is_changed, value))
    if not isinstance(value, float):
        return False
    if value == 0:
        return math.copysign(1, value) < 0
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
