"""Mention boundaries: how many gold mentions a detector finds, and how much it finds in all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ner_retriever_rag.evaluation.formats import TypedText, read_lines
from ner_retriever_rag.reading.sentences import sentence_spans
from ner_retriever_rag.reading.view import name_in, readable
from ner_retriever_rag.schema import Mention

Detect = Callable[[Sequence[str]], list[list[Mention]]]

_FOLDERS = ("boundaries", "domains", "fewnerd")
_NO_SETS = ("fewnerd/inter-train-sample",)
PAGES = "pages.jsonl"


@dataclass(frozen=True, slots=True)
class Boundaries:
    """What a detector does on one set.

    Attributes:
        name: The set.
        texts: How many texts.
        mentions: Gold mentions, those of one span once.
        exact: Share of them found with both ends.
        overlapping: Share of them that something found overlaps.
        per_sentence: Mentions found, by sentences of the texts' views.
    """

    name: str
    texts: int
    mentions: int
    exact: float
    overlapping: float
    per_sentence: float


def measure_boundaries(name: str, typed: Sequence[TypedText], detect: Detect) -> Boundaries:
    """Detect in the texts of a set and compare.

    Args:
        name: What to call the set.
        typed: Its texts with gold mentions.
        detect: Finds the mentions of texts.
    """
    gold = exact = overlapping = found = sentences = 0
    for each, mentions in zip(typed, detect([each.text for each in typed]), strict=True):
        spans = {(mention.start, mention.end) for mention in mentions}
        wanted = {(start, end) for start, end, _ in each.mentions}
        gold += len(wanted)
        exact += len(wanted & spans)
        overlapping += sum(any(a < end and start < b for a, b in spans) for start, end in wanted)
        found += len(spans)
        sentences += sum(1 for _ in sentence_spans(readable(each.text).text)) or 1
    every = max(gold, 1)
    return Boundaries(
        name, len(typed), gold, exact / every, overlapping / every, found / max(sentences, 1)
    )


def boundary_sets(data: str | Path) -> dict[str, Path]:
    """The files of gold mentions under a folder, by name: those of boundaries, domains, fewnerd.

    Raises:
        FileNotFoundError: If there is none.
    """
    found = {
        f"{folder}/{_stem(file)}": file
        for folder in _FOLDERS
        for file in sorted((Path(data) / folder).glob("*.jsonl*"), key=_stem)
    }
    found = {name: file for name, file in found.items() if name not in _NO_SETS}
    if not found:
        raise FileNotFoundError(f"{data} holds no sets: looked for {', '.join(_FOLDERS)}")
    return found


def _stem(file: Path) -> str:
    return file.name.partition(".")[0]


def measure_sets(
    data: str | Path, names: Sequence[str], most: int, detect: Detect
) -> Iterator[Boundaries]:
    """Measure sets one by one, a set's ``-wrapped`` file after it.

    Args:
        data: The folder they are in.
        names: Which ones, with or without their folder; all if there are none.
        most: Most texts of each, the first.
        detect: Finds the mentions of texts.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If one of ``names`` is no set.
    """
    sets = boundary_sets(data)
    asked = {each for each in sets for name in names if name in (each, each.partition("/")[2])}
    unknown = [name for name in names if not any(a.endswith(name) for a in asked)]
    if unknown:
        raise ValueError(f"no set {unknown[0]!r}: there are {', '.join(sets)}")
    for name, file in sets.items():
        if not names or name in asked:
            yield measure_boundaries(name, read_lines(file)[:most], detect)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a detector finds on pages of one shape.

    Attributes:
        name: The shape.
        pages: How many pages.
        names: Names that it finds in the running prose of the same names.
        found: Those of them that it finds on the page, too.
    """

    name: str
    pages: int
    names: int
    found: int


def measure_pages(detect: Detect, path: str | Path | None = None) -> list[Shape]:
    """Names found on pages, of those found in running prose.

    Args:
        detect: Finds the mentions of texts.
        path: JSON lines of ``shape``, ``text``, ``twin`` (the prose) and ``names``; None for the
            pages that come with the package.
    """
    source = Path(path) if path else files(__package__).joinpath(PAGES)
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()
    ]
    found = [
        [{name_in(mention.text) for mention in mentions} for mentions in detect(texts)]
        for texts in ([row["text"] for row in rows], [row["twin"] for row in rows])
    ]
    shapes: dict[str, Shape] = {}
    for row, on_page, in_prose in zip(rows, *found, strict=True):
        before = shapes.get(row["shape"], Shape(row["shape"], 0, 0, 0))
        known = set(row["names"]) & in_prose
        shapes[row["shape"]] = Shape(
            row["shape"],
            before.pages + 1,
            before.names + len(known),
            before.found + len(known & on_page),
        )
    return list(shapes.values())
