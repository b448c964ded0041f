"""Splits the views of texts into pieces that fit in memory, and merges the results."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.reading.sentences import passages
from ner_retriever_rag.reading.view import View
from ner_retriever_rag.schema import EncodedText, Mention, Span

LONGEST = 8_000  # characters per piece; a shorter text is a single piece

Known = Sequence[Mention]  # mentions, in character offsets of the view


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of whole sentences of a view.

    Attributes:
        text: Text of the piece.
        owner: Index of the text it belongs to.
        start: Its offset in the view.
        known: Its mentions if known, in character offsets of the piece.
        places: Index of each of these among all known mentions of the text.
    """

    text: str
    owner: int
    start: int
    known: list[Mention] | None = None
    places: tuple[int, ...] = ()


def pieces_of(view: View, owner: int, known: Known | None) -> Iterator[Piece]:
    """Split a view into pieces of at most ``LONGEST`` characters, at least one.

    Args:
        view: The view.
        owner: Index of its text.
        known: Its mentions if known, in character offsets of the view; one that extends beyond its
            piece is cut off there.
    """
    text = view.text
    cuts = [(0, len(text))] if len(text) <= LONGEST else list(passages(text, LONGEST))
    starts = [start for start, _ in cuts]
    of_piece: list[list[int]] = [[] for _ in cuts]
    for place, mention in enumerate(known or ()):
        of_piece[max(0, bisect_right(starts, mention.start) - 1)].append(place)
    for (start, end), places in zip(cuts, of_piece, strict=True):
        own = None
        if known is not None:
            own = [_moved(known[place], -start, end - start) for place in places]
        yield Piece(text[start:end], owner, start, own, tuple(places))


def _moved(mention: Mention, by: int, last: int) -> Mention:
    start = min(mention.start + by, last)
    return Mention(mention.text, start, max(start, min(mention.end + by, last)), mention.score)


class MergedEncoding:
    """Merges what is found in the pieces of one text.

    Args:
        view: The text's view.
        given: Its mentions in characters of the source, if the caller knows them.
    """

    def __init__(self, view: View, given: Sequence[Mention] | None) -> None:
        self._view, self._given = view, given
        self._found: dict[Span, Mention] = {}
        self._rows: list[NDArray[np.float32]] = []
        self._places: list[int] = []
        self._sum: NDArray[np.float32] | None = None

    def add(
        self,
        piece: Piece,
        mentions: Sequence[Mention],
        vectors: NDArray[np.float32],
        text_vector: NDArray[np.float32] | None,
        tokens: int,
    ) -> None:
        """Add what was found in a piece.

        Args:
            piece: The piece; pieces come in the order of the text.
            mentions: Its mentions, in character offsets of the piece.
            vectors: float32 ``(len(mentions), dim)``.
            text_vector: float32 ``(hidden,)``, the mean of the top layer, or None.
            tokens: Number of tokens in the piece.
        """
        if text_vector is not None:
            weighted = text_vector * np.float32(max(tokens, 1))
            self._sum = weighted if self._sum is None else self._sum + weighted
        if self._given is not None:
            self._rows.extend(vectors)
            self._places.extend(piece.places)
            return
        for mention, vector in zip(mentions, vectors, strict=True):
            span = self._view.to_source(piece.start + mention.start, piece.start + mention.end)
            if span not in self._found:
                words = self._view.source[slice(*span)]
                self._found[span] = Mention(words, *span, mention.score)
                self._rows.append(vector)

    def encoded(self, dim: int) -> EncodedText:
        """Return the merged result, in the order of the text, or of the given mentions."""
        rows = np.zeros((0, dim), dtype=np.float32) if not self._rows else np.stack(self._rows)
        unit = (
            None if self._sum is None else self._sum / max(float(np.linalg.norm(self._sum)), 1e-12)
        )
        if self._given is None:
            return EncodedText(list(self._found.values()), rows, unit)
        ordered = np.empty_like(rows)
        ordered[self._places] = rows
        return EncodedText(list(self._given), ordered, unit)
