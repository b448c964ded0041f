"""Losses on L2-normalized mention and type vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(
    mentions: Tensor,
    types: Tensor,
    not_negative: Tensor | None = None,
    *,
    temperature: float = 0.05,
) -> Tensor:
    """Symmetric in-batch cross-entropy: each mention picks its type, each type its mention.

    Args:
        mentions: ``(n, dim)``.
        types: ``(m, dim)``, ``m >= n``; row i < n is the type of mention i, the rest are negatives.
        not_negative: bool ``(n, m)``, pairs to leave out of the sums; the diagonal always counts.
        temperature: Divides the cosines.

    Returns:
        A scalar.
    """
    n = len(mentions)
    logits = mentions @ types.T / temperature
    if not_negative is not None:
        others = not_negative & ~torch.eye(n, len(types), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(others, float("-inf"))
    target = torch.arange(n, device=logits.device)
    rows = functional.cross_entropy(logits, target)
    columns = functional.cross_entropy(logits[:, :n].T, target)
    return (rows + columns) / 2


def triplet(
    mentions: Tensor,
    types: Tensor,
    not_negative: Tensor | None = None,
    *,
    margin: float = 0.5,
    hard: float = 0.1,
) -> Tensor:
    """The paper's triplet loss (arXiv 2509.04011, section 3.3) with in-batch negatives.

    The anchor is the type description, the positive its mention, the negative a mention of
    another type: a random one or, for some anchors, the nearest (hard negative). The distance is
    ``1 - cosine``.

    Args:
        mentions: ``(n, dim)``.
        types: ``(n, dim)``.
        not_negative: bool ``(n, n)``, mentions by types; pairs not to use as negatives.
        margin: Margin by which a negative must be further away than the positive.
        hard: Share of the anchors that get their nearest negative.
    """
    cosines = types @ mentions.T
    out = torch.eye(len(types), dtype=torch.bool, device=cosines.device)
    if not_negative is not None:
        out = out | not_negative.T
    others = cosines.masked_fill(out, -1.0)
    drawn = torch.rand_like(others).masked_fill(out, -1.0).argmax(dim=1, keepdim=True)
    is_hard = torch.rand(len(types), device=cosines.device) < hard
    negative = torch.where(is_hard, others.amax(dim=1), others.gather(1, drawn).squeeze(1))
    return functional.relu(margin + negative - cosines.diagonal()).mean()
