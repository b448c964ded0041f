"""Make values of an index fit for replies to a language model: readable and bounded in size.

Texts, ids, names and metadata come from documents and may be of any length; a model's context and a
client's patience are limited. Invisible characters are removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from ner_retriever_rag._markup import strip_invisible, truncate
from ner_retriever_rag.cli.console import for_json

MAX_REPLY = 100_000  # characters of a reply, approximately
ID = 300  # characters of an id; longer ids are cut, and cannot be requested
_NAME = 200  # characters of a name or a metadata key
_PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"  # keeps the offsets of the text after it


def share(n: int, most: int) -> int:
    """Number of characters each of n results may have, at most ``most``."""
    return min(most, MAX_REPLY // max(1, n))


def short(text: str, most: int = _NAME) -> str:
    """A name, id or passage without hidden characters, cut to ``most`` characters."""
    scanned = 4 * most  # characters, of which some may be hidden
    shown = strip_invisible(text[:scanned])
    return f"{shown[:most]}…" if len(text) > scanned else truncate(shown, most)


def part(text: str, start: int, most: int) -> tuple[str, int]:
    """Part of a document, offsets preserved, and the number of characters after it."""
    shown = strip_invisible(text[start : start + most], _PLACEHOLDER)
    return shown, max(0, len(text) - start - most)


def take_names(names: Iterable[str], room: int, most: int) -> list[str]:
    """The first ``most`` names, as far as ``room`` characters allow; always at least one."""
    kept: list[str] = []
    for name in islice(names, most):
        name = short(name)
        room -= len(name)
        if kept and room < 0:
            break
        kept.append(name)
    return kept


def metadata(given: Mapping[str, Any], room: int) -> dict[str, Any]:
    """A document's metadata as JSON, as far as there is room; the key "…" says what is left out.

    Args:
        given: The metadata.
        room: Approximate number of characters their JSON may have.
    """
    kept: dict[str, Any] = {}
    for key, value in given.items():
        name, shown = short(str(key)), _value(value, room)
        room -= len(name) + len(json.dumps(shown))
        if room < 0:
            kept["…"] = f"{len(given) - len(kept)} more keys"
            break
        kept[name] = shown
    return kept


def _value(value: Any, room: int) -> Any:
    """A value as JSON, or as a truncated string if it is too long."""
    most = max(_NAME, room // 2)
    if isinstance(value, str):
        return short(value, most)
    if isinstance(value, bytes):
        value = value[: most + 1]
    shown = for_json(value)
    if isinstance(shown, str):
        return short(shown, most)
    written = json.dumps(shown, ensure_ascii=False)
    return _readable(shown) if len(written) <= most else short(written, most)


def _readable(shown: Any) -> Any:
    if isinstance(shown, list):
        return [_readable(each) for each in shown]
    if isinstance(shown, dict):
        return {strip_invisible(key): _readable(each) for key, each in shown.items()}
    return strip_invisible(shown) if isinstance(shown, str) else shown
