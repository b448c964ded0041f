"""Mentions at given spans."""

from __future__ import annotations

from collections.abc import Sequence

from ner_retriever_rag.schema import Mention, require_spans

Spans = Sequence[tuple[int, int]]


def given_mentions(texts: Sequence[str], spans: Sequence[Spans]) -> list[list[Mention]]:
    """Make mentions from given spans.

    Args:
        texts: The texts.
        spans: For each text the character spans of its mentions, end exclusive.

    Raises:
        TypeError: If a text's spans are not pairs of whole numbers.
        ValueError: If there is not one list of spans per text, or a span lies outside its text.
    """
    if len(spans) != len(texts):
        raise ValueError(f"spans is for {len(spans)} texts, but there are {len(texts)}")
    return [
        [
            Mention(text[start:end], start, end)
            for start, end in require_spans(of_text, text, f"spans[{number}]")
        ]
        for number, (text, of_text) in enumerate(zip(texts, spans, strict=True))
    ]
