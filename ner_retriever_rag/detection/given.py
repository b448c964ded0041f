"""Mentions that are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from ner_retriever_rag.schema import Mention

Spans = Sequence[tuple[int, int]]


def given_mentions(texts: Sequence[str], spans: Sequence[Spans]) -> list[list[Mention]]:
    """Make mentions of spans.

    Args:
        texts: The texts.
        spans: For each the character spans of its mentions, end exclusive.

    Raises:
        ValueError: If there is not one list of spans for each text, or a span lies outside it.
    """
    if len(spans) != len(texts):
        raise ValueError(f"spans is for {len(spans)} texts, but there are {len(texts)}")
    return [
        [_given_mention(text, span, number) for span in of_text]
        for number, (text, of_text) in enumerate(zip(texts, spans, strict=True))
    ]


def _given_mention(text: str, span: tuple[int, int], number: int) -> Mention:
    start, end = span
    if not 0 <= start < end <= len(text):
        raise ValueError(
            f"spans[{number}]: ({start}, {end}) is not a span of a text of {len(text)} characters"
        )
    return Mention(text[start:end], int(start), int(end))
