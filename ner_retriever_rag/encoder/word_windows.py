"""Word windows over a text too long to be read at once, each span in exactly one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class WordWindow(NamedTuple):
    """A run of words that is read at once.

    Attributes:
        start: First word.
        end: One past the last word.
        first: First word at which the window's own spans may start.
        last: One past the last such word.
    """

    start: int
    end: int
    first: int
    last: int


def word_windows(
    pieces: Sequence[int], widest: int, *, words: int, most: int | None
) -> list[WordWindow]:
    """Cover a text with windows; each span belongs to one window and lies entirely within it.

    Windows overlap by the widest span and a quarter of a window, so that a span has some words of
    context on either side. A wide span may extend past the end of its window only if words have so
    many tokens that few of them fit.

    Args:
        pieces: Number of tokens of each word.
        widest: Width of the widest span, in words.
        words: Maximum words per window.
        most: Maximum tokens per window; None for no limit. A word with more is its own window.
    """
    windows: list[WordWindow] = []
    start = first = 0
    while True:
        end, load = start, 0
        while end < len(pieces) and end - start < words:
            load += pieces[end]
            if most is not None and load > most and end > start:
                break
            end += 1
        if end <= first and first < len(pieces):  # the left context alone fills the window
            start = first
            continue
        if end == len(pieces):
            windows.append(WordWindow(start, end, first, end))
            return windows
        margin = (end - start) // 8
        last = max(first + 1, end - widest - margin)
        windows.append(WordWindow(start, end, first, last))
        first, start = last, max(start + 1, last - margin)
