"""Read typed sentences from the formats of public datasets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ner_retriever_rag._imports import require
from ner_retriever_rag.reading.text_files import open_text


@dataclass(frozen=True, slots=True)
class TypedText:
    """A text and its mentions.

    Attributes:
        text: The text.
        mentions: ``(start, end, label)`` in characters, end exclusive; label ``""`` for a mention
            without a type.
        seen: For mined sentences: how often each mention's name was found in total.
    """

    text: str
    mentions: tuple[tuple[int, int, str], ...]
    seen: tuple[int, ...] = ()


def read_lines(path: str | Path) -> list[TypedText]:
    """Read JSON lines of ``{"text", "mentions": [{"start", "end", "type", "seen"}]}``.

    Args:
        path: Plain or compressed file. Mentions may lack ``type``; ``seen`` is written by mining.
    """
    return [
        TypedText(
            row["text"],
            tuple((m["start"], m["end"], m.get("type", "")) for m in row["mentions"]),
            tuple(m["seen"] for m in row["mentions"] if "seen" in m),
        )
        for row in _json_lines(path)
    ]


def read_columns(path: str | Path) -> list[TypedText]:
    """Read one token per line, its tag in the last column, with blank lines between sentences.

    This is the format of Few-NERD (``token<TAB>art-film``, tags without B and I) and of MultiCoNER
    (``token _ _ B-Film`` under a ``# id`` line).

    Raises:
        ValueError: If a line has no tag.
    """
    found: list[TypedText] = []
    tokens: list[str] = []
    tags: list[str] = []
    text = Path(path).read_text(encoding="utf-8")
    for number, line in enumerate([*text.split("\n"), ""], 1):
        fields = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or line.startswith("# id"):
            if tokens:
                found.append(from_tags(tokens, tags))
            tokens, tags = [], []
        elif len(fields) < 2:
            raise ValueError(f"{path}, line {number}: expected a token and its tag, not {line!r}")
        else:
            tokens.append(fields[0])
            tags.append(fields[-1].strip())
    return found


def from_tags(tokens: Sequence[str], tags: Sequence[str]) -> TypedText:
    """Join tokens with single spaces, and their tags into mentions.

    Args:
        tokens: The words.
        tags: ``O``, ``B-label`` and ``I-label``, or just ``label``, where a run of one label is one
            mention.
    """
    mentions: list[tuple[int, int, str]] = []
    start, current, position = 0, "O", 0
    for token, tag in zip([*tokens, ""], [*tags, "O"], strict=True):
        marker, dash, name = tag.partition("-")
        bio = bool(dash) and marker in {"B", "I"}
        label = name if bio else tag
        if label != current or (bio and marker == "B"):
            if current != "O":
                mentions.append((start, position - 1, current))
            start, current = position, label
        position += len(token) + 1
    return TypedText(" ".join(tokens), tuple(mentions))


def read_hub(name: str, config: str | None = None, split: str = "test") -> list[TypedText]:
    """Load a dataset with tokens and tags through Hugging Face ``datasets``.

    Args:
        name: ``"DFKI-SLT/few-nerd"``, ``"MultiCoNER/multiconer_v2"``, or any other dataset with
            ``tokens`` and ``fine_ner_tags`` or ``ner_tags``; or a local folder with one.
        config: Configuration, such as ``"inter"`` or ``"English (EN)"``.
        split: Split, such as ``"test"``.

    Raises:
        ImportError: If ``datasets`` is not installed.
        ValueError: If the dataset has no such columns.
    """
    rows: Any = require("datasets", extra="eval").load_dataset(name, config, split=split)
    column = next((c for c in ("fine_ner_tags", "ner_tags") if c in rows.column_names), None)
    if column is None or "tokens" not in rows.column_names:
        raise ValueError(
            f"{name} has columns {', '.join(rows.column_names)}; expected tokens and ner_tags"
        )
    label = getattr(rows.features[column], "feature", rows.features[column])
    names = getattr(label, "names", None)
    return [
        from_tags(row["tokens"], [names[tag] if names else tag for tag in row[column]])
        for row in rows
    ]


def read_neretrieve(corpus: str | Path, labels: str | Path) -> list[TypedText]:
    """Read NERetrieve's files for retrieval (arXiv 2310.14282), ``.jsonl`` or ``.jsonl.bz2``.

    Args:
        corpus: Paragraphs: ``{"id", "content", ...}``, words separated by single spaces.
        labels: ``{"id", "tagged_entities": {type: {entity: {mention: [[word, ...], ...]}}}}``,
            a mention as the indices of its words. A paragraph without labels has no mentions.
    """
    tagged = {row["id"]: row["tagged_entities"] for row in _json_lines(labels)}
    return [
        TypedText(row["content"], _tagged_mentions(row["content"], tagged.get(row["id"], {})))
        for row in _json_lines(corpus)
    ]


def _tagged_mentions(
    text: str, tagged: dict[str, dict[str, dict[str, list[list[int]]]]]
) -> tuple[tuple[int, int, str], ...]:
    starts, position = [], 0
    words = text.split(" ")
    for word in words:
        starts.append(position)
        position += len(word) + 1
    found = {
        (starts[min(place)], starts[max(place)] + len(words[max(place)]), label)
        for label, entities in tagged.items()
        for mentions in entities.values()
        for places in mentions.values()
        for place in places
        if place and max(place) < len(words)
    }
    return tuple(sorted(found))


def _json_lines(path: str | Path) -> Iterator[dict[str, Any]]:
    with open_text(path) as lines:
        yield from (json.loads(line) for line in lines if line.strip())
