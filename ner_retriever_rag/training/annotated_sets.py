"""Annotated texts of many domains, as training data for the detector.

Each set follows its own guideline and few annotate everything, so what a *sparse* set leaves
unmarked is weak evidence at most (partial annotation). Texts are cut into passages and laid out as
the readable view lays out users' files: titles and paragraphs separated by `` | ``.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ner_retriever_rag.evaluation.formats import TypedText, read_lines
from ner_retriever_rag.reading.sentences import passages
from ner_retriever_rag.training.annotated import AnnotatedSentence

BOUNDARY = " | "
_PASSAGE = 420  # characters
_TITLED, _FOLLOWED = 0.12, 0.08  # shares of passages put under a title, and after another passage
_LINE_END = re.compile(r"[ \t]*\n\s*")
_SHORT = 45  # characters; only longer lines can be wrapped ones


@dataclass(frozen=True, slots=True)
class AnnotatedSet:
    """A set of annotated texts.

    Attributes:
        name: Name of the set.
        texts: The texts with labeled mentions.
        sparse: Whether only one family of things is annotated.
        names: Maps a label to how a user would ask for it; labels not used to teach types are
            absent.
    """

    name: str
    texts: list[TypedText]
    sparse: bool
    names: dict[str, str]


def read_sets(
    folder: str | Path, sparse: Sequence[str] = (), only: Sequence[str] | None = None
) -> list[AnnotatedSet]:
    """Read a folder of ``SET.jsonl.gz`` files with their ``names.json``.

    Args:
        folder: The folder. Labels listed in its ``excluded.json``, if there is one, keep their
            boundaries but lose their name.
        sparse: Names of the sets that annotate only one family of things.
        only: The sets to read; None for all.

    Raises:
        FileNotFoundError: If ``names.json`` or the file of a set is missing.
    """
    folder = Path(folder)
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    path = folder / "excluded.json"
    excluded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return [
        AnnotatedSet(
            each,
            read_lines(_file_of(folder, each)),
            each in sparse,
            {k: v for k, v in labels.items() if k not in excluded.get(each, ())},
        )
        for each, labels in names.items()
        if only is None or each in only
    ]


def _file_of(folder: Path, name: str) -> Path:
    """The file of a set; its training split if it has one."""
    part = folder / f"{name}-train.jsonl"
    return part if part.exists() else folder / f"{name}.jsonl.gz"


def read_folders(folders: Sequence[Path], sparse: str = "") -> list[AnnotatedSet]:
    """Read the sets of several folders; ``NAME,NAME@FOLDER`` reads only the named sets.

    Args:
        folders: The folders.
        sparse: Comma-separated names of the sets that annotate only one family of things.

    Raises:
        FileNotFoundError: If a folder has no ``names.json``.
    """
    found = []
    for folder in folders:
        only, at, path = str(folder).rpartition("@")
        found += read_sets(path, sparse.split(","), only.split(",") if at else None)
    return found


def sample_passages(
    source: AnnotatedSet, characters: int, rng: random.Random
) -> list[AnnotatedSentence]:
    """Sample passages of a set at random and lay them out.

    Args:
        source: The set.
        characters: Approximate total length of the passages.
        rng: Random generator.
    """
    order = list(source.texts)
    rng.shuffle(order)
    found: list[AnnotatedSentence] = []
    room = characters
    for text in order:
        pieces = passages_of(text)
        for piece in rng.sample(pieces, min(4, len(pieces))):
            if room <= 0:
                return lay_out(found, rng)
            room -= len(piece.text)
            spans = tuple(sorted({(start, end) for start, end, _ in piece.mentions}))
            found.append(AnnotatedSentence(piece.text, spans, partial=source.sparse))
    return lay_out(found, rng)


def join_lines(row: TypedText) -> TypedText:
    """A text as in the readable view: wrapped lines joined, other line breaks made boundaries."""
    if "\n" not in row.text:
        return row
    lines = [len(line) for line in row.text.split("\n") if line.strip()]
    wrapped = len(lines) >= 4 and sorted(lines)[len(lines) // 2] > _SHORT
    pieces: list[str] = []
    shifts: list[tuple[int, int]] = []  # (character from which the shift applies, shift)
    last = length = 0
    for found in _LINE_END.finditer(row.text):
        start, end = found.span()
        crossed = any(a < start and b > end for a, b, _ in row.mentions)
        before = row.text.rfind("\n", 0, start) + 1
        joins = wrapped and found[0].count("\n") == 1 and start - before > _SHORT
        glue = " " if crossed or joins or not last and not start else BOUNDARY
        pieces += [row.text[last:start], glue]
        length += start - last + len(glue)
        shifts.append((end, length - end))
        last = end
    pieces.append(row.text[last:])

    def shifted(place: int) -> int:
        shift = 0
        for start, by in shifts:
            if place < start:
                break
            shift = by
        return place + shift

    text = "".join(pieces)
    mentions = []
    for start, end, label in row.mentions:
        first, after = shifted(start), shifted(end - 1) + 1
        if 0 <= first < after <= len(text) and BOUNDARY not in text[first:after]:
            mentions.append((first, after, label))
    return TypedText(text, tuple(mentions))


def passages_of(text: TypedText) -> list[TypedText]:
    """The passages of a text as training reads them: lines joined, at most 420 characters each."""
    return list(split_passages(join_lines(text), _PASSAGE))


def split_passages(row: TypedText, longest: int) -> Iterator[TypedText]:
    """Passages of a text with the mentions inside each, except those that split a mention."""
    for start, end in passages(row.text, longest):
        inside = tuple(
            (a - start, b - start, label) for a, b, label in row.mentions if start <= a and b <= end
        )
        crossing = any(a < end < b or a < start < b for a, b, _ in row.mentions)
        if end - start > 1 and not crossing:
            yield TypedText(row.text[start:end], inside)


def lay_out(sentences: Sequence[AnnotatedSentence], rng: random.Random) -> list[AnnotatedSentence]:
    """Lay out passages: some under a title, some appended to another passage.

    Bare lists of names are not generated: they teach that a cell is a mention, whatever it holds.
    """
    result: list[AnnotatedSentence] = []
    for sentence in sentences:
        draw = rng.random()
        short = [span for span in sentence.mentions if span[1] - span[0] <= 60]
        if draw < _TITLED and short:
            start, end = rng.choice(short)
            title = sentence.text[start:end]
            head = AnnotatedSentence(title, ((0, len(title)),))
            result.append(_append(head, sentence))
        elif draw < _TITLED + _FOLLOWED and result:
            result.append(_append(result.pop(), sentence))
        else:
            result.append(sentence)
    return result


def _append(first: AnnotatedSentence, second: AnnotatedSentence) -> AnnotatedSentence:
    by = len(first.text) + len(BOUNDARY)

    def shifted(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        return tuple((start + by, end + by) for start, end in spans)

    return replace(
        first,
        text=first.text + BOUNDARY + second.text,
        mentions=first.mentions + shifted(second.mentions),
        unknown=first.unknown + shifted(second.unknown),
        seams=(*first.seams, len(first.text) + 1, *(seam + by for seam in second.seams)),
        partial=first.partial or second.partial,
    )
