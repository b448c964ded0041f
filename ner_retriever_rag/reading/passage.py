"""A mention with the surrounding text that is read with it."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 200  # characters of a passage, including the mention


@dataclass(frozen=True, slots=True)
class Passage:
    """A mention, ``text[start:end]``, with the text around it."""

    text: str
    start: int
    end: int

    @classmethod
    def around(cls, text: str, start: int, end: int, width: int = WIDTH) -> Passage:
        """Cut a passage of at most about ``width`` characters around a mention, between words."""
        if len(text) <= width:
            return cls(text, start, end)
        margin = max(0, width - (end - start)) // 2
        left = max(0, min(start - margin, len(text) - width))
        if left:
            left = text.find(" ", left, start) + 1 or start
        right = min(len(text), left + max(width, end - left))
        if right < len(text):
            space = text.rfind(" ", end, right)
            right = space if space > 0 else max(right, end)
        return cls(text[left:right], start - left, end - left)
