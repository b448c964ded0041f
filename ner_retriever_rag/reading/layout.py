"""Decides from the layout which line ends break a text and which only wrap it.

A line was wrapped if the first word of the next would not have fitted. The maximum width of lines
is inferred where wrapping is beyond doubt: where a long line continues in lower case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from ner_retriever_rag.reading.draft import Draft, Edit
from ner_retriever_rag.reading.lines import Line, lines_of

BOUNDARY = " | "

_NARROWEST, _WIDEST = 25, 160  # characters of a wrapped line
_QUOTED = 50  # minimum characters of a quoted line that may continue without a quote mark
_RAGGED = 0.85  # share of the width from which a line of proportional type counts as full
_FUNCTION = frozenset(
    "a an the of and or nor in on at by for to from with without as into than that de la le les du "
    "des del della di da van von vom der den dem zu zum ten ter el al bin ibn und et y e".split()
)
_TITLES = re.compile(r"(?:^|\s)(?:Dr|Mr|Mrs|Ms|Prof|St|Sir|Fr|Rev|Gen|Col|Capt|Lt|Sgt|No|vs)\.?$")
_OPENING = "\"'“‘«([{*_"
_UNBROKEN = re.compile(r"\S{30}")  # a URL makes a line wider, or narrower, than others
_HYPHEN = re.compile(r"(\w+(?:[-‐]\w+)*)[-‐¬]$")
_LETTERS = re.compile(r"[^\W\d_]+")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*$")
_SUSPENDED = frozenset({"and", "or", "to", "nor", "und", "oder", "et", "ou", "y", "bis"})


def lay_out(draft: Draft) -> None:
    """Join a text into one line: wraps become spaces, line and cell borders a boundary."""
    text = draft.text
    if not text:
        return
    lines = lines_of(text)
    draft.edit(_edits(text, lines, Joints(lines).all()))


def _edits(text: str, lines: Sequence[Line], joints: Sequence[tuple[str, int]]) -> Iterator[Edit]:
    """Yield edits that put joints between lines and boundaries between cells."""
    at = 0
    joint, cut = "", 0
    for number, line in enumerate(lines):
        if (at - cut, line.start) != (0, 0) or joint:
            yield at - cut, line.start, joint
        joint, cut = joints[number] if number < len(joints) else ("", 0)
        for start, end in line.cells:
            edge = start == 0 or end == len(line.text)
            yield line.start + start, line.start + end, "" if edge else BOUNDARY
        at = line.end
    if at < len(text):
        yield at, len(text), ""


class Joints:
    """Decides what goes between each two adjacent lines.

    Args:
        lines: All lines of a text.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._blocks = list(_blocks(lines))
        self._kinds = [Counter(line.kind for line in block) for block in self._blocks]
        self._block_of = [n for n, block in enumerate(self._blocks) for _ in block]
        self._double = _double_spaced(lines)
        self._widths = self._all_widths()
        self._words: Counter[str] | None = None

    def all(self) -> list[tuple[str, int]]:
        """For each line but the last: the joint, and how many last characters it replaces."""
        return [self._joint(number) for number in range(len(self._lines) - 1)]

    def _joint(self, number: int) -> tuple[str, int]:
        line, after = self._lines[number], self._lines[number + 1]
        if line.cells and line.cells[-1][1] == len(line.text):
            return BOUNDARY, 0
        if self._breaks(number):
            return BOUNDARY, 0
        hyphen = _HYPHEN.search(line.text)
        if not hyphen:
            return " ", 0
        first = after.text.split()[0]
        if not first[:1].isalnum() or first.lower() in _SUSPENDED:
            return " ", 0
        return ("", 1) if self._drops(line, hyphen[1], first) else ("", 0)

    def _drops(self, line: Line, before: str, first: str) -> bool:
        """Whether a hyphen at a line's end only splits a word, and is removed with the line end."""
        if line.text[-1] == "¬":
            return True
        word = line.text.split()[-1]
        if not first[:1].islower() or not before[-1:].isalpha() or "/" in word or "@" in word:
            return False
        after = _LETTERS.match(first)
        assert after is not None
        if self._words is None:
            self._words = Counter(each for one in self._lines for each in one.text.split())
        whole = f"{before}-{after[0]}"
        if any(self._words[whole + sign] for sign in ("", ",", ".")):
            return False
        return "-" not in before and "‐" not in before

    def _breaks(self, number: int) -> bool:
        """Whether the end of a line separates it from the next."""
        line, after = self._lines[number], self._lines[number + 1]
        if "heading" in (line.kind, after.kind) or line.cells or after.cells:
            return True
        small = after.text.lstrip(_OPENING)[:1].islower()
        if after.depth != line.depth:
            # A quoted paragraph may omit the marks of its later lines.
            lazy = after.depth < line.depth and small and line.width >= _QUOTED
            return after.blank or not lazy or bool(_SENTENCE_END.search(line.text))
        if line.text.isupper() and len(line.text) > 3 and not after.text.isupper():
            return True  # a title in capitals
        continues = _continues(line, after)
        width = self._widths[number]
        first = after.text.split()[0]
        full = width is not None and line.width + 1 + len(first) > width
        if after.blank and not self._double:
            # A paragraph that continues on the next page.
            wide = width is not None and line.width >= _RAGGED * width
            return not (wide and full and small and not _SENTENCE_END.search(line.text))
        if after.kind:
            alike = self._kinds[self._block_of[number]][after.kind] > 1
            if not full or alike or (after.kind not in ("key", "time") and not continues):
                return True
        if line.text.endswith(":") or line.width > _WIDEST:
            return not (small and full)
        if continues:
            return False
        hanging = line.kind and not after.kind and after.indent > line.indent + 1
        if hanging and (small or full or _UNBROKEN.match(first)):
            return False  # an item that continues below its first words
        if small:
            if first.lower() in _FUNCTION or full:
                return line.width > _WIDEST
            return width is None or line.width < _RAGGED * 0.75 * width
        indented = after.indent > line.indent + 1 and not line.kind
        if indented and _SENTENCE_END.search(line.text):
            return True
        return not full or line.width < _NARROWEST

    def _all_widths(self) -> list[float | None]:
        """Maximum width of the lines around each line; None if no line seems wrapped."""
        own = [_width(block) for block in self._blocks]
        known = [n for n, width in enumerate(own) if width is not None]
        widths: list[float | None] = []
        for number, block in enumerate(self._blocks):
            width = own[number]
            if width is None and known:
                near = min(known, key=lambda n: (abs(n - number), n))
                there = own[near]
                widest = max((line.width for line in block if _plain(line)), default=0)
                width = there if there is not None and widest <= there * 1.15 else None
            if width is None:
                width = _width_of_prose(block)
            widths += [width] * len(block)
        return widths


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield runs of lines without a blank line, heading or change of quote depth in between."""
    block: list[Line] = []
    for line in lines:
        if block and (line.blank or line.depth != block[-1].depth or line.kind == "heading"):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _width(block: Sequence[Line]) -> float | None:
    """Maximum width of the lines of a block, if some of them were wrapped beyond doubt."""
    sure = [
        (line.width, len(after.text.split()[0]))
        for line, after in zip(block, block[1:], strict=False)
        if _NARROWEST <= line.width <= _WIDEST
        and _plain(line)
        and len(after.text.split()[0]) < 30
        and after.text.lstrip(_OPENING)[:1].islower()
        and not (line.cells or after.cells or after.kind)
        and not _SENTENCE_END.search(line.text)
    ]
    if not sure:
        return None
    widest = max(width for width, _ in sure)
    sure = [each for each in sure if each[0] >= 0.6 * widest]
    width = max(line.width for line in block if line.width <= 1.15 * widest and _plain(line))
    ends = [
        line.width + 1 + len(after.text.split()[0]) > _RAGGED * width
        for line, after in zip(block, block[1:], strict=False)
        if _plain(line)
    ]
    if 3 * len(sure) < len(ends) and 5 * sum(ends) < 3 * len(ends):
        return None  # a list with a lower-case line in it
    exact = all(length + 1 + first > width for length, first in sure)
    return width if exact else _RAGGED * median([length for length, _ in sure])


def _width_of_prose(block: Sequence[Line]) -> float | None:
    """Width of a short block that reads like sentences throughout and ends like one."""
    widest = max(line.width for line in block)
    if len(block) < 2 or not _NARROWEST + 5 <= widest <= _WIDEST:
        return None
    if any(line.kind or line.cells or line.width < 0.75 * widest for line in block[:-1]):
        return None
    if not _SENTENCE_END.search(block[-1].text):
        return None
    words = [line.text.split() for line in block[:-1]]
    fluent = all(any(word in _FUNCTION for word in each) for each in words)
    ended = any(_SENTENCE_END.search(line.text) for line in block[:-1])
    return widest if fluent and not ended else None


def _plain(line: Line) -> bool:
    return not _UNBROKEN.search(line.text)


def _continues(line: Line, after: Line) -> bool:
    """Whether a line cannot end there: by its last word, or a bracket that the next line closes."""
    for opening, closing in (("(", ")"), ("[", "]"), ("**", "**")):
        inside = line.text.rpartition(opening)[2] if opening in line.text else closing
        if opening == closing:
            inside = closing * (1 - line.text.count(opening) % 2)
        if closing not in inside and closing in after.text:
            return True
    last = line.text.rsplit(maxsplit=1)[-1]
    return (
        last in _FUNCTION
        or last == "&"
        or (len(last) > 1 and bool(_HYPHEN.search(line.text)))
        or bool(_TITLES.search(line.text))
    )


def _double_spaced(lines: Sequence[Line]) -> bool:
    """Whether a blank line follows every line, even within paragraphs."""
    if len(lines) < 4:
        return False
    small = sum(
        after.blank and after.text[:1].islower() and _NARROWEST <= line.width <= _WIDEST
        for line, after in zip(lines, lines[1:], strict=False)
    )
    blank = sum(line.blank for line in lines)
    return blank >= 0.8 * (len(lines) - 1) and small >= 0.4 * (len(lines) - 1)
