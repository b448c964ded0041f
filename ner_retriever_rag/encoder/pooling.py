"""Pooling: the token vectors of a mention to one vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

POOLINGS = ("last", "mean", "first+last")


def token_ranges(
    offsets: NDArray[np.int64], spans: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the tokens that each span overlaps.

    Args:
        offsets: ``(n, 2)``, character offsets of the tokens, in order; n > 0.
        spans: Character spans, end exclusive.

    Returns:
        First tokens and one past the last tokens, each int64 ``(len(spans),)``. A span without a
        token (all of it was normalized away) gets the nearest one after it, or the last token.
    """
    bounds = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(offsets[:, 1], bounds[:, 0], side="right")
    after = np.searchsorted(offsets[:, 0], bounds[:, 1], side="left")
    first = np.minimum(first, len(offsets) - 1)
    return first, np.maximum(after, first + 1)


def pool(
    states: Tensor, offsets: NDArray[np.int64], spans: Sequence[tuple[int, int]], pooling: str
) -> Tensor:
    """Pool token vectors over character spans.

    Args:
        states: float32 ``(n, width)``, one row per token.
        offsets: ``(n, 2)``, character offsets of the tokens.
        spans: Character spans, end exclusive.
        pooling: ``"last"`` (the paper's: the last token), ``"mean"``, or ``"first+last"``
            (both, concatenated).

    Returns:
        float32 ``(len(spans), width)``, twice as wide for ``"first+last"``; zeros for a text
        without tokens.
    """
    if not len(offsets) or not len(spans):
        return states.new_zeros(len(spans), states.shape[-1] * (1 + (pooling == "first+last")))
    first, after = token_ranges(offsets, spans)
    if pooling == "last":
        return states[torch.from_numpy(after - 1)]
    if pooling == "first+last":
        ends = (torch.from_numpy(first), torch.from_numpy(after - 1))
        return torch.cat([states[index] for index in ends], dim=-1)
    lengths = after - first
    starts = np.cumsum(lengths) - lengths
    tokens = np.arange(lengths.sum()) + np.repeat(first - starts, lengths)
    return torch.nn.functional.embedding_bag(
        torch.from_numpy(tokens), states, torch.from_numpy(starts), mode="mean"
    )
