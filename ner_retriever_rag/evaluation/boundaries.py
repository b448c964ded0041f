"""Evaluate mention boundaries: gold mentions that a detector finds, and how many it detects."""

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
_EXCLUDED = ("fewnerd/inter-train-sample",)
PAGES = "pages.jsonl"


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Results of a detector on one set.

    Attributes:
        name: Name of the set.
        texts: Number of texts.
        mentions: Number of gold mentions; mentions with the same span count once.
        exact: Share of gold mentions found with exact boundaries.
        overlapping: Share of gold mentions that a detected mention overlaps.
        per_sentence: Detected mentions per sentence of the texts' readable views.
    """

    name: str
    texts: int
    mentions: int
    exact: float
    overlapping: float
    per_sentence: float


def measure_boundaries(name: str, typed: Sequence[TypedText], detect: Detect) -> Boundaries:
    """Run a detector on the texts of a set and compare its mentions with the gold ones.

    Args:
        name: Name of the set, for reports.
        typed: Texts of the set with gold mentions.
        detect: Returns the mentions of each text.
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
    """Find the gold files under a folder's boundaries, domains and fewnerd, by set name.

    Raises:
        FileNotFoundError: If there are none.
    """
    found = {
        f"{folder}/{_stem(file)}": file
        for folder in _FOLDERS
        for file in sorted((Path(data) / folder).glob("*.jsonl*"), key=_stem)
    }
    found = {name: file for name, file in found.items() if name not in _EXCLUDED}
    if not found:
        raise FileNotFoundError(f"{data} holds no sets: looked for {', '.join(_FOLDERS)}")
    return found


def _stem(file: Path) -> str:
    return file.name.partition(".")[0]


def measure_sets(
    data: str | Path, names: Sequence[str], most: int, detect: Detect
) -> Iterator[Boundaries]:
    """Evaluate a detector on sets one by one, a set's ``-wrapped`` file after it.

    Args:
        data: Folder with the folders of sets.
        names: Names of the sets to use, with or without their folder; empty for all.
        most: Maximum texts per set; the first ones are used.
        detect: Returns the mentions of each text.

    Raises:
        FileNotFoundError: If there are no sets.
        ValueError: If one of ``names`` is not a set.
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
    """Results of a detector on pages of one shape.

    Attributes:
        name: Name of the shape.
        pages: Number of pages.
        names: Number of names detected in running prose that has the same names.
        found: Number of those names that are also detected on the page.
    """

    name: str
    pages: int
    names: int
    found: int


def measure_pages(detect: Detect, path: str | Path | None = None) -> list[Shape]:
    """Count names detected on pages, of those detected in running prose, by page shape.

    Args:
        detect: Returns the mentions of each text.
        path: JSON lines with ``shape``, ``text``, ``twin`` (the prose) and ``names``; None for the
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
