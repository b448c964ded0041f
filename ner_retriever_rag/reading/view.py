"""The readable view of a text: what a model reads of it, with an exact mapping to the source.

A clean paragraph is its own view. In any other text, characters, accents and escapes are
normalized, hard wraps are joined, and what the layout separates (titles, list items, rows and cells
of tables, addresses, paragraphs) is separated by ``" | "``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.reading.characters import marks_in, normalize, separate_symbols
from ner_retriever_rag.reading.draft import Draft
from ner_retriever_rag.reading.layout import BOUNDARY, lay_out
from ner_retriever_rag.schema import Span

__all__ = ["BOUNDARY", "View", "name_in", "readable"]

# What can make a text differ from its view, besides accents (see _is_plain).
_UNREADABLE = re.compile(
    r"[^\S ]|[^ -~\xa1-\xac\xae-\xff\u0100-\u02af\u2010-\u2015\u2018-\u201f\u2026\u20ac]|  "
    r"|^[ #>*+(|\d-]|^[a-zA-Z]\)| $|\||[*_&\x00-\x1f\x7f]"
)
_BOLD = re.compile(
    r"(?<![\w*\\])(?P<mark>\*{1,3})(?=[^\s*|])(?P<inner>[^|\n]{0,300}?[^\s*|\\])(?P=mark)(?![\w*])"
    r"|(?<![\w\\/_])(?P<line>_{1,2})(?=[^\s_|])"
    r"(?P<words>[^|_\n]{0,200}\s[^|_\n]{0,200}[^\s|_\n]|[A-Z][^|_\s]*)(?P=line)(?!\w)"
)
_RUNS = re.compile(r"(?<= \|)(?: +\|)+(?= )|(?<= ) +")
_EDGES = re.compile(r"^ *(?:\| +)*|(?: +\|)* *$")
_LINE_END = re.compile(r"[^\S\n]*\n[\s>]*|\t")
_WRAPPED_WORD = re.compile(
    r"(?<=[^\W\d_])[-‐¬][^\S\n]*\n[\s>]*(?=[a-z])|(?<=\w[-‐])[^\S\n]*\n[\s>]*"
)


@dataclass(frozen=True, slots=True)
class View:
    """A text as it is read.

    Attributes:
        text: The text read; ``" | "`` where the layout separates what precedes from what follows.
        source: The original string.
        starts: int64 ``(len(text),)``, for each character the first source character that it stands
            for; None if the view is the source.
        ends: int64 ``(len(text),)``, one past the last.
    """

    text: str
    source: str
    starts: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)
    ends: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)

    def to_source(self, start: int, end: int) -> Span:
        """Map a span of the view to the source characters that it stands for.

        Args:
            start: First character.
            end: One past the last character.
        """
        if self.starts is None or self.ends is None:
            return start, end
        if start < end:
            return int(self.starts[start]), int(self.ends[end - 1])
        place = int(self.ends[start - 1]) if start else 0
        return place, place

    def to_view(self, start: int, end: int) -> Span:
        """Map a span of the source to the view characters that stand for any part of it.

        Args:
            start: First character.
            end: One past the last character.

        Returns:
            A span, empty if no part of it is in the view.
        """
        if self.starts is None or self.ends is None:
            return start, end
        first = int(np.searchsorted(self.ends, start, side="right"))
        after = int(np.searchsorted(self.starts, end, side="left"))
        return first, max(first, after)


def readable(text: str) -> View:
    """Return the readable view of a text.

    Args:
        text: Any string.
    """
    if _is_plain(text):
        return View(text, text)
    draft = Draft(text)
    normalize(draft)
    lay_out(draft)
    _finish(draft)
    return _view(draft, text)


def name_in(words: str) -> str:
    """Return the text of a mention as in the view of its text, on one line.

    Args:
        words: The mention's own characters.
    """
    if _is_plain(words):
        return words
    draft = Draft(words)
    normalize(draft)
    draft.substitute(_WRAPPED_WORD, "")
    draft.substitute(_LINE_END, " ")
    _finish(draft)
    return draft.text or words


def _is_plain(text: str) -> bool:
    """Whether a text is its own view; not if an accent is separate from its letter."""
    if _UNREADABLE.search(text) or not unicodedata.is_normalized("NFC", text):
        return False
    return text.isascii() or not marks_in(text)


def _finish(draft: Draft) -> None:
    if "*" in draft.text or "_" in draft.text:
        _unmark(draft)
    separate_symbols(draft)
    draft.substitute(_RUNS, "")
    draft.substitute(_EDGES, "")


def _unmark(draft: Draft) -> None:
    """Remove the marks of bold and italic words."""
    edits = []
    for found in _BOLD.finditer(draft.text):
        inner = found.span("inner") if found["mark"] else found.span("words")
        edits += [(found.start(), inner[0], ""), (inner[1], found.end(), "")]
    draft.edit(edits)


def _view(draft: Draft, text: str) -> View:
    if draft.text == text and np.array_equal(draft.starts, np.arange(len(text))):
        return View(text, text)
    return View(draft.text, text, draft.starts, draft.ends)
