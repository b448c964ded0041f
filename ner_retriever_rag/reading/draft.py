"""A text on its way to its readable view: edited, with a mapping to the source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Edit = tuple[int, int, str]  # first character, one past the last, replacement


class Draft:
    """A text being edited.

    Attributes:
        text: Its current state.
        starts: int64 ``(len(text),)``, for each character the first source character that it stands
            for; non-decreasing.
        ends: int64 ``(len(text),)``, one past the last; non-decreasing. For a character that stands
            for nothing in the source, both are the same.
    """

    def __init__(self, source: str) -> None:
        self.text = source
        self.starts: NDArray[np.int64] = np.arange(len(source), dtype=np.int64)
        self.ends: NDArray[np.int64] = self.starts + 1

    def edit(self, edits: Iterable[Edit]) -> None:
        """Replace spans of the text.

        Every inserted character stands for everything that it replaces; one that replaces nothing
        stands for the position between its neighbors.

        Args:
            edits: In order, without overlaps.
        """
        texts: list[str] = []
        starts, ends = [], []
        at = 0
        for first, after, new in edits:
            texts += (self.text[at:first], new)
            starts.append(self.starts[at:first])
            ends.append(self.ends[at:first])
            if new:
                low, high = self._stretch(first, after)
                starts.append(np.full(len(new), low, dtype=np.int64))
                ends.append(np.full(len(new), high, dtype=np.int64))
            at = after
        if not texts:
            return
        self.text = "".join([*texts, self.text[at:]])
        self.starts = np.concatenate([*starts, self.starts[at:]])
        self.ends = np.concatenate([*ends, self.ends[at:]])

    def substitute(
        self, pattern: re.Pattern[str], new: str | Callable[[re.Match[str]], str]
    ) -> None:
        """Replace all matches of a pattern, except those that would not change."""
        made = (
            (found.start(), found.end(), new if isinstance(new, str) else new(found))
            for found in pattern.finditer(self.text)
        )
        self.edit(each for each in made if self.text[each[0] : each[1]] != each[2])

    def _stretch(self, first: int, after: int) -> tuple[int, int]:
        """Source span that a span of the text stands for."""
        if first < after:
            return int(self.starts[first]), int(self.ends[after - 1])
        place = int(self.ends[first - 1]) if first else 0
        return place, place
