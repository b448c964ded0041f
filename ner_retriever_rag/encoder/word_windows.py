"""Windows of words over a text that is too long to be read at once, each span in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class WordWindow(NamedTuple):
    """A run of words that is read at once.

    Attributes:
        start: Its first word.
        end: One past its last.
        first: Its own spans begin here or later.
        last: And before this word.
    """

    start: int
    end: int
    first: int
    last: int


def word_windows(
    pieces: Sequence[int], widest: int, *, words: int, most: int | None
) -> list[WordWindow]:
    """Cover a text with windows; each span belongs to one, and lies whole in it.

    Windows overlap by the widest span and a quarter of a window, so that a span has some words of
    context on either side. Only where words have so many tokens that few fit may a wide span go on
    after the end of its window.

    Args:
        pieces: How many tokens each word has.
        widest: Words of the widest span.
        words: Most words of a window.
        most: Most tokens of a window; None for no bound. A word with more is a window of its own.
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
        if end <= first and first < len(pieces):  # the context alone has so many tokens
            start = first
            continue
        if end == len(pieces):
            windows.append(WordWindow(start, end, first, end))
            return windows
        margin = (end - start) // 8
        last = max(first + 1, end - widest - margin)
        windows.append(WordWindow(start, end, first, last))
        first, start = last, max(start + 1, last - margin)
