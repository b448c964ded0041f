"""Splitting text into sentences, and into passages of whole sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BREAK = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])|(?P<bar>(?<= )\|(?= ))")
_LONGEST_ABBREVIATION = 12  # characters, including the one before it
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[A-Za-z]|[A-Z][a-z]|Mrs|Rev|Gen|Col|Capt|Prof|Sgt|Hon|Sen|Gov|Rep|Adm|Maj|Cpl"
    r"|Pvt|Mme|Ste|Mts|vs|feat|vol|pop|approx|born|ca"
    r"|Inc|Ltd|Bros|Corp|etc|Jan|Feb|Mar|Apr|Aug|Sept|Oct|Nov|Dec)\.$"
)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text; see :func:`sentence_spans`."""
    return (text[start:end] for start, end in sentence_spans(text))


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Split a text into sentences, line by line; initials and abbreviations do not end one.

    A sentence ends at a full stop, question or exclamation mark before white space and a capital
    letter or a digit (of the Latin alphabet: other scripts are split at line ends only), and at
    ``" | "``, which separates lines and cells in a view.

    Returns:
        Character spans in order, without white space at their edges.
    """
    line_start = 0
    for line in text.splitlines(keepends=True):
        start = 0
        for found in _BREAK.finditer(line):
            # Look back no further than an abbreviation reaches: a line may be a book. The character
            # before the sentence, a space, lets its first word be an initial.
            back = max(0, start - 1, found.start() - _LONGEST_ABBREVIATION)
            if found["bar"] or not _ABBREVIATION.search(line, back, found.start()):
                yield from _stripped(text, line_start + start, line_start + found.start())
                start = found.end()
        yield from _stripped(text, line_start + start, line_start + len(line))
        line_start += len(line)


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span without white space at its edges, or nothing if it is blank."""
    inner = text[start:end]
    if rest := inner.strip():
        start += len(inner) - len(inner.lstrip())
        yield start, start + len(rest)


def passages(text: str, longest: int) -> Iterator[tuple[int, int]]:
    """Split a text into runs of whole sentences of at most ``longest`` characters.

    A longer sentence is split after a comma or semicolon, at a space if there is none in its
    second half, or else anywhere.

    Returns:
        Character spans in order, without the white space between them.
    """
    start = end = 0
    for first, after in sentence_spans(text):
        if end > start and after - start > longest:
            yield start, end
            start = first
        elif end == start:
            start = first
        end = after
        while end - start > longest:
            cut = _cut(text, start, start + longest)
            yield start, cut
            start = cut
    if end > start:
        yield start, end


def _cut(text: str, start: int, end: int) -> int:
    """Best position to split a sentence that continues beyond ``end``."""
    stop = max(text.rfind(sign, (start + end) // 2, end) for sign in (", ", "; "))
    if stop >= 0:
        return stop + 1
    space = max(text.rfind(sign, start + 1, end) for sign in " \t\n")
    return space if space > start else end
