"""Read files of labeled texts, validating every line, and split them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.evaluation.tasks import queries_for
from ner_retriever_rag.reading.text_files import UNREADABLE, open_text

_EXAMPLE = '{"text": "We gave haloperidol.", "mentions": [{"start": 8, "end": 19, "type": "drug"}]}'


def read_labelled(path: str | Path) -> list[TypedText]:
    """Read ``{"text", "mentions": [{"start", "end", "type"}]}`` lines, plain or compressed.

    Args:
        path: The file. Other fields are ignored; a text may have no mentions.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file cannot be read, a line is malformed, or no line has a mention; the
            message names the line and the reason.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; it should contain lines like {_EXAMPLE}")
    found = []
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    found.append(_labelled(line, f"{path}, line {number}"))
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not any(each.mentions for each in found):
        raise ValueError(f"{path} has no labelled mention; a line looks like {_EXAMPLE}")
    return found


def described(typed: Sequence[TypedText], names: Mapping[str, str] | None) -> list[TypedText]:
    """Replace labels with descriptions; ``""`` for a label that has none.

    Args:
        typed: Labeled texts.
        names: Maps labels to descriptions, as ``queries_for`` accepts them.

    Raises:
        ValueError: If no label has a description.
    """
    queries = queries_for(typed, names)
    if not queries:
        raise ValueError("none of the labels has a description")
    return [
        TypedText(each.text, tuple((a, b, queries.get(label, "")) for a, b, label in each.mentions))
        for each in typed
    ]


def split(
    typed: Sequence[TypedText], share: float, seed: int
) -> tuple[list[TypedText], list[TypedText]]:
    """Split texts into training and held-out ones; duplicates always land on the same side.

    Args:
        typed: All texts.
        share: Share of the distinct texts to hold out; 0 for none.
        seed: Random seed.
    """
    distinct = list(dict.fromkeys(each.text for each in typed))
    held = set(random.Random(seed).sample(distinct, round(share * len(distinct))))
    train = [each for each in typed if each.text not in held]
    return train, [each for each in typed if each.text in held]


def _labelled(line: str, where: str) -> TypedText:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: no JSON ({error}); expected {_EXAMPLE}") from None
    if not isinstance(row, dict) or not {"text", "mentions"} <= row.keys():
        raise ValueError(f"{where}: expected text and mentions, such as {_EXAMPLE}")
    text, mentions = row["text"], row["mentions"]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}: text must be a non-empty string, not {text!r}")
    if not isinstance(mentions, list):
        raise ValueError(f"{where}: mentions must be a list, not {mentions!r}")
    return TypedText(text, tuple(_mention(each, text, where) for each in mentions))


def _mention(mention: Any, text: str, where: str) -> tuple[int, int, str]:
    if not isinstance(mention, dict) or not {"start", "end", "type"} <= mention.keys():
        raise ValueError(f"{where}: a mention needs start, end and type, not {mention!r}")
    start, end, label = mention["start"], mention["end"], mention["type"]
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"{where}: type must be a non-empty string, not {label!r}")
    whole = all(isinstance(at, int) and not isinstance(at, bool) for at in (start, end))
    if not whole or not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise ValueError(
            f"{where}: {start!r} to {end!r} are not the characters of a mention (the text has "
            f"{len(text)}; end is one past the last)"
        )
    return start, end, label.strip()
