"""Which metadata Chroma can store without changing or losing any."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ner_retriever_rag.schema import Document, encodable

RESERVED = "ner:"
_NO_KEYS = (RESERVED, "chroma:", "#", "$")  # the last three are Chroma's own
# Such entries stay with the document; its mentions carry no copy, so filters do not see them.
DOCUMENT_ONLY = "document-only:"


def check_metadata(document: Document) -> None:
    """Check that Chroma can store a document's metadata as they are.

    Chroma itself drops None, NaN and infinities and rounds integers beyond 64 bits, all without a
    word.

    Raises:
        ValueError: If it cannot; the message names the document and the key.
    """
    for key, value in document.metadata.items():
        if problem := key_problem(key) or _problem(value):
            raise ValueError(f"metadata key {key!r} of document {document.id!r}: {problem}")


def storable(key: object, value: object) -> bool:
    """Whether Chroma can store a metadata entry as it is."""
    return not (key_problem(key) or _problem(value))


def where_error(where: Mapping[str, Any] | None, error: Exception) -> Exception:
    """An error of Chroma's during a search, put down to the filter if there was one."""
    return ValueError(f"where: Chroma refuses {where!r}: {error}") if where else error


def key_problem(key: object) -> str | None:
    """What keeps a metadata key from being stored, in words; None if nothing does."""
    if not isinstance(key, str) or not key or key.startswith(_NO_KEYS):
        return f"keys must be non-empty strings that do not begin with {', '.join(_NO_KEYS)}"
    return None if encodable(key) else "the key holds half of a surrogate pair"


def _problem(value: object) -> str | None:
    if not isinstance(value, list):
        return _scalar_problem(value)
    if not value:
        return "an empty list cannot be stored"
    if len({type(each) for each in value}) > 1:
        return "the values of a list must be of one type"
    return next(filter(None, map(_scalar_problem, value)), None)


def _scalar_problem(value: object) -> str | None:
    if not isinstance(value, str | int | float | bool):
        return f"{type(value).__name__} is not str, int, float, bool or a list of one of them"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} cannot be stored"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "the integer does not fit 64 bits"
    if isinstance(value, str) and not encodable(value):
        return "the string holds half of a surrogate pair"
    return None
