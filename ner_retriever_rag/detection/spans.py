"""Turns a detector's raw spans into mentions, deduplicated and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ner_retriever_rag.reading.sentences import passages
from ner_retriever_rag.reading.view import BOUNDARY
from ner_retriever_rag.schema import Mention

ScoredSpan = tuple[int, int, float]  # first character, one past the last, score


def mentions_from_spans(text: str, spans: Iterable[ScoredSpan]) -> list[Mention]:
    """Make mentions from spans found by another library or model.

    Args:
        text: The original string.
        spans: ``(start, end, score)`` in characters of ``text``, end exclusive, in any order.

    Returns:
        Mentions ordered by start, then end. White space at the edges is trimmed, spans that lie
        outside the text or name nothing (no letter or digit) are dropped, and of equal spans the
        best score is kept.
    """
    best: dict[tuple[int, int], float] = {}
    for start, end, score in spans:
        if not 0 <= start < end <= len(text):
            continue
        inner = text[start:end]
        start += len(inner) - len(inner.lstrip())
        end -= len(inner) - len(inner.rstrip())
        if any(char.isalnum() for char in inner):
            best[start, end] = max(score, best.get((start, end), 0.0))
    return [
        Mention(text[start:end], start, end, score) for (start, end), score in sorted(best.items())
    ]


def within_boundaries(text: str, mentions: Iterable[Mention]) -> list[Mention]:
    """Split the mentions of a view that cross a boundary into their parts.

    Args:
        text: The view.
        mentions: As a detector found them in it.

    Returns:
        As :func:`mentions_from_spans`.
    """
    spans: list[ScoredSpan] = []
    for mention in mentions:
        at = mention.start
        for part in text[mention.start : mention.end].split(BOUNDARY):
            spans.append((at, at + len(part), mention.score))
            at += len(part) + len(BOUNDARY)
    return mentions_from_spans(text, spans)


def mentions_by_passage(
    texts: Sequence[str], longest: int, find: Callable[[list[str]], Iterable[Iterable[ScoredSpan]]]
) -> list[list[Mention]]:
    """Detect mentions passage by passage, for texts too long to be processed at once.

    Args:
        texts: The texts.
        longest: Maximum characters of a passage; a shorter text is a single passage.
        find: Returns the spans of each of many passages; called once.

    Returns:
        For each text its mentions, as from :func:`mentions_from_spans`.
    """
    places = [
        (number, start, end)
        for number, text in enumerate(texts)
        for start, end in passages(text, longest)
    ]
    spans: list[list[ScoredSpan]] = [[] for _ in texts]
    found = find([texts[number][start:end] for number, start, end in places])
    for (number, offset, _), of_passage in zip(places, found, strict=True):
        spans[number] += [(offset + start, offset + end, p) for start, end, p in of_passage]
    return [mentions_from_spans(text, each) for text, each in zip(texts, spans, strict=True)]
