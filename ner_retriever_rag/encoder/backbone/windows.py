"""Token windows that fit a model, and batches of windows with little padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEP, _SHORT = 16, 96  # tokens


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens, without special tokens.

    Attributes:
        ids: int64 ``(n,)``.
        offsets: int64 ``(n, 2)``, character offsets in the original string, end exclusive.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """A run of one text's tokens that goes through the model together.

    Attributes:
        text: Index of the text.
        start: First token of the window.
        end: One past its last token.
        own_start: First token whose vector is taken from this window.
        own_end: One past the last such token.
    """

    text: int
    start: int
    end: int
    own_start: int
    own_end: int

    def __len__(self) -> int:
        return self.end - self.start


def tokenize(tokenizer: Any, texts: Sequence[str]) -> list[Tokens]:
    """Tokenize whole texts, with offsets into the original strings."""
    batch = tokenizer(
        list(texts),
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        padding=False,
        truncation=False,
        verbose=False,
    )
    return [
        Tokens(
            np.asarray(ids, dtype=np.int64),
            trim_spaces(np.asarray(offsets, dtype=np.int64).reshape(-1, 2), text),
        )
        for text, ids, offsets in zip(
            texts, batch["input_ids"], batch["offset_mapping"], strict=True
        )
    ]


def trim_spaces(offsets: NDArray[np.int64], text: str) -> NDArray[np.int64]:
    """Exclude leading white space from each token's span (byte-level tokenizers include it)."""
    if not any(text[start : start + 1].isspace() for start in offsets[:, 0].tolist()):
        return offsets
    space = np.fromiter((char.isspace() for char in text), dtype=bool, count=len(text))
    # following[i]: the first character at or after i that is not white space.
    position = np.where(space, len(text), np.arange(len(text)))
    following = np.append(np.minimum.accumulate(position[::-1])[::-1], len(text))
    starts = np.minimum(following[offsets[:, 0]], offsets[:, 1])
    return np.stack([starts, offsets[:, 1]], axis=1)


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids that a tokenizer adds before and after every text; there may be none.

    Raises:
        ValueError: If they cannot be told from the text's own.
    """
    full = tokenizer("a", return_special_tokens_mask=True)
    ids, own = full["input_ids"], np.flatnonzero(np.equal(full["special_tokens_mask"], 0))
    if not len(own) or own[-1] - own[0] + 1 != len(own):
        raise ValueError(
            f"the tokenizer {type(tokenizer).__name__} makes {ids} of a one-letter text: which of "
            "them are special tokens before and after it is ambiguous"
        )
    return ids[: own[0]], ids[own[-1] + 1 :]


def split_windows(text: int, length: int, size: int, overlap: int) -> Iterator[Window]:
    """Split a text of ``length`` tokens into overlapping windows of at most ``size``.

    Each token is owned by exactly one window, the one in which it lies furthest from the edges, so
    nothing is lost or duplicated. The last window is shifted back to be full.
    """
    if length <= size:
        yield Window(text, 0, length, 0, length)
        return
    starts = [*range(0, length - size, size - overlap), length - size]
    # Ownership changes in the middle of the overlap.
    seams = [(start + previous + size) // 2 for previous, start in zip(starts, starts[1:])]  # noqa: B905
    for start, own_start, own_end in zip(starts, [0, *seams], [*seams, length], strict=True):
        yield Window(text, start, start + size, own_start, own_end)


def batch_by_tokens(windows: Iterable[Window], budget: int) -> Iterator[list[Window]]:
    """Group windows, longest first, into batches of at most ``budget`` padded tokens."""
    batch: list[Window] = []
    for window in sorted(windows, key=len, reverse=True):
        if batch and (len(batch) + 1) * len(batch[0]) > budget:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def padded_length(longest: int, limit: int) -> int:
    """Number of tokens that a batch is padded to.

    Attention takes up to a third less time for a multiple of 16, which instructions process at
    once; in a batch of short texts the additional padding costs more than that.

    Args:
        longest: Tokens of the longest window.
        limit: Maximum tokens of a window.
    """
    return longest if longest < _SHORT else min(-(-longest // _STEP) * _STEP, limit)
