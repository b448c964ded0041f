"""Cutting text into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BREAK = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[A-Za-z]|[A-Z][a-z]|Mrs|Rev|Gen|Col|Capt|Prof|Sgt|Hon|vol|pop|approx|born|ca"
    r"|Inc|Ltd|Bros|Corp|etc|Jan|Feb|Mar|Apr|Aug|Sept|Oct|Nov|Dec)\.$"
)


def sentences(text: str) -> Iterator[str]:
    """Cut a text into sentences, line by line; initials and abbreviations do not end one.

    A sentence ends at a full stop, question or exclamation mark before white space and a capital
    letter or a digit (of the Latin alphabet: other scripts are cut at line ends alone).
    """
    for line in text.splitlines():
        start = 0
        for found in _BREAK.finditer(line):
            if not _ABBREVIATION.search(line, start, found.start()):
                yield line[start : found.start()].strip()
                start = found.end()
        if rest := line[start:].strip():
            yield rest


def passages(text: str, longest: int) -> Iterator[tuple[int, int]]:
    """Cut a text into runs of whole sentences of at most ``longest`` characters.

    A sentence that is longer is cut at a space, or anywhere if there is none.

    Returns:
        Character spans in order, white space between them left out.
    """
    start = end = 0
    for sentence in sentences(text):
        first = text.index(sentence, end)
        after = first + len(sentence)
        if end > start and after - start > longest:
            yield start, end
            start = first
        elif end == start:
            start = first
        end = after
        while end - start > longest:
            cut = max(
                text.rfind(" ", start + 1, start + longest),
                text.rfind("\t", start + 1, start + longest),
            )
            cut = cut if cut > start else start + longest
            yield start, cut
            start = cut
    if end > start:
        yield start, end
