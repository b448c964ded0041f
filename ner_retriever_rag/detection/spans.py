"""What a detector's raw spans become: mentions, each once and in order."""

from __future__ import annotations

from collections.abc import Iterable

from ner_retriever_rag.schema import Mention


def mentions_from_spans(text: str, spans: Iterable[tuple[int, int, float]]) -> list[Mention]:
    """Make mentions of the spans another library or model found.

    Args:
        text: The original string.
        spans: ``(start, end, score)`` in characters of ``text``, end exclusive, in any order.

    Returns:
        Mentions in order of start, then end; white space at the edges is left out, spans that lie
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
