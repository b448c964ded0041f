"""The lines of a text: their content, the marks before them, the borders of their cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ner_retriever_rag.schema import Span

_QUOTE = re.compile(r"[ \t]*(?:>[ \t]?)+")
_HEADING = re.compile(r"#{1,6}[ \t]+(?=\S)")
_BULLET = re.compile(
    r"(?:[-*+–—→·■□][ \t]+|[•‣⁃◦▪▫●○∙►▶▸➢➤☐☑☒✓✔✗✘✅❌][ \t]*)(?:\[[ xX]\][ \t]+)?(?=\S)"
)
_NUMBER = re.compile(r"(?:\(?\d{1,3}[.)]|\(?[a-zA-Z]\)|\(?(?:[ivx]{1,5}|[IVX]{1,5})\))[ \t]+(?=\S)")
_RULE = re.compile(
    r"[ \t]*(?:\|?(?:[ \t]*[-=_*~+:.·•–—#\u2500-\u257f][ \t|]*){2,}|`{3}.*|~{3}.*|\|[ \t|]*)$"
)
_KEY = re.compile(r"[A-Z][\w./()&' -]{0,30}:(?:[ \t]|$)")
_TIME = re.compile(
    r"[\[(<]?(?:\d{1,2}:\d\d|\d{4}[-/.]\d\d?[-/.]\d\d?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})\b"
)
_TABBED = re.compile(r" *\t[ \t]*")
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_BAR = re.compile(r"(?<!\|)[ \t]*\|(?!\|)[ \t]*")
_WORDS_OF_PROSE = 5  # mean words between gaps from which these are prose, not cell borders
_FURTHEST = 4  # maximum spaces between two words of justified text


@dataclass(slots=True)
class Line:
    """A line that is not blank.

    Attributes:
        text: Its content, without marks and without white space at its edges.
        start: Offset of the content in the whole text.
        width: Width of the line, including indent and marks, but not quote marks.
        indent: Width of the indent.
        depth: Number of quote marks before it.
        kind: ``"heading"``, a list's mark, ``"key"``, ``"time"`` or nothing.
        blank: Whether it follows blank lines or rules (not at the start of the text).
        cells: Spans that separate its cells, in characters of ``text``.
    """

    text: str
    start: int
    width: int
    indent: int = 0
    depth: int = 0
    kind: str = ""
    blank: bool = False
    cells: list[Span] = field(default_factory=list)

    @property
    def end(self) -> int:
        """One past its last character in the whole text."""
        return self.start + len(self.text)


def lines_of(text: str) -> list[Line]:
    """Split a text into lines, leaving out blank ones and rules."""
    raw = text.split("\n")
    quoted = sum(line.lstrip().startswith(">") for line in raw)
    marks, numbers = Counter(_mark(line.lstrip(" \t>")) for line in raw), {0}
    found: list[Line] = []
    at, blank = 0, False
    for line in raw:
        rule = not line.strip() or (len(raw) > 1 and _RULE.match(line))
        made = None if rule else _line(line, at, quoted, marks, numbers)
        if made is None or not made.text.strip(" \t|"):
            blank = blank or bool(found)
        else:
            made.blank = blank
            found.append(made)
            blank = False
        at += len(line) + 1
    _part(found)
    return found


def _line(raw: str, at: int, quoted: int, marks: Counter[str], numbers: set[int]) -> Line:
    """Parse one line, removing the marks before it.

    Args:
        raw: The line.
        at: Its offset in the text.
        quoted: Number of lines of the text that begin with ``>``.
        marks: Number of lines that begin with each mark.
        numbers: Numbers of the items so far; updated.
    """
    place = depth = 0
    if (quote := _QUOTE.match(raw)) and (
        quoted > 1 or raw[quote.end() : quote.end() + 1].isalpha()
    ):
        place, depth = quote.end(), quote[0].count(">")
    body = raw[place:].rstrip()
    width = len(body)
    indent = width - len(body.lstrip())
    place += indent
    kind = ""
    mark = _mark(raw[place:])
    if mark == "1" and not _follows(raw[place:], numbers):
        mark = ""  # a sentence that ends with a number, wrapped before it
    if mark and (
        marks[mark] > 1 or (mark not in "1a" and raw[place:].lstrip(mark).strip()[:1].isalpha())
    ):
        kind = mark
        bullet = _BULLET if mark not in "1a" else _NUMBER
        if mark == "#":
            bullet = _HEADING
            kind = "heading"
        elif not bullet.match(raw, place):
            bullet = _NUMBER
        if opening := bullet.match(raw, place):
            place = opening.end()
    body = raw[place:]
    text = body.strip()
    if kind == "heading":
        text = text.rstrip("#").rstrip() or text
    elif not kind:
        kind = "key" if _KEY.match(text) else "time" if _TIME.match(text) else ""
    start = at + place + len(body) - len(body.lstrip())
    return Line(text, start, width, indent, depth, kind)


def _follows(line: str, numbers: set[int]) -> bool:
    """Whether an item's number continues an earlier one; if so, it is recorded."""
    digits = re.search(r"\d+", line)
    assert digits is not None
    number = int(digits[0])
    if number and number - 1 not in numbers:
        return False
    numbers.add(number)
    return True


def _mark(line: str) -> str:
    """Kind of mark that a line begins with: ``#``, the bullet, ``1``, ``a``, or nothing."""
    if _HEADING.match(line):
        return "#"
    if _BULLET.match(line):
        return line[0]
    if _NUMBER.match(line):
        return "1" if line.lstrip("(")[0].isdigit() else "a"
    return ""


def _part(lines: Sequence[Line]) -> None:
    """Find the borders between cells of every line."""
    justified = _justified(lines)
    bars = [len(_BAR.findall(line.text)) for line in lines]
    for number, line in enumerate(lines):
        beside = bars[max(0, number - 1) : number] + bars[number + 1 : number + 2]
        line.cells = sorted(_cells(line.text, bars[number] in beside, number in justified))


def _cells(text: str, in_table: bool, justified: bool) -> Iterator[Span]:
    edged = text.startswith("|") or text.endswith("|")
    bars = [found.span() for found in _BAR.finditer(text)] if "|" in text else []
    spaced = [(a, b) for a, b in bars if b - a > 1 or edged or in_table or a == 0 or b == len(text)]
    yield from spaced
    gaps = [found.span() for found in _TABBED.finditer(text)] if "\t" in text else []
    taken = [*spaced, *gaps]
    yield from gaps
    if justified or "  " not in text:
        return
    # Typists put two spaces after a sentence, and now and then between words.
    runs = [found.span() for found in _GAP.finditer(text)]
    runs = [(a, b) for a, b in runs if b - a > _FURTHEST or text[a - 1] not in ".!?"]
    prose = len(text.split()) >= _WORDS_OF_PROSE * (len(runs) + 1)
    for a, b in runs:
        if not (prose and b - a == 2) and all(b <= c or d <= a for c, d in taken):
            yield a, b


def _justified(lines: Sequence[Line]) -> set[int]:
    """Lines whose words are spaced out to make them as wide as their neighbors."""
    found: set[int] = set()
    for number in range(len(lines) - 1):
        line, after = lines[number], lines[number + 1]
        if "  " not in line.text or after.blank or not after.text[:1].islower():
            continue
        beside = [*lines[max(0, number - 2) : number], *lines[number + 1 : number + 3]]
        as_wide = sum(abs(each.width - line.width) <= 1 for each in beside)
        if line.width >= 40 and as_wide and " " * (_FURTHEST + 1) not in line.text:
            found.add(number)
    return found
