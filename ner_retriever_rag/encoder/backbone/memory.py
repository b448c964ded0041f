"""Batch size: as many tokens go through a backbone at once as there is memory for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CPU = 4_096  # tokens; larger batches are no faster
_MOST = 32_768  # tokens; fewer already saturate a GPU
_SHARE = 0.5  # of the free memory: the estimate is rough, and other processes need some

T = TypeVar("T")
S = TypeVar("S")


def batch_tokens(model: PreTrainedModel, device: torch.device, window: int) -> int:
    """Number of padded tokens that fit into one batch.

    Args:
        model: The backbone.
        device: Its device.
        window: Tokens of the longest window, which must fit in any case.
    """
    if device.type == "cpu":
        return _CPU
    if device.type != "cuda":
        return _MOST
    room = int(_SHARE * free_memory(device) / bytes_of_token(model, window))
    return max(window, min(_MOST, room))


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU, including those cached by torch's allocator."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def bytes_of_token(model: PreTrainedModel, window: int) -> int:
    """Peak bytes that one token needs in a forward pass.

    These are a block's residual streams, projections and feed-forward layers, and one row of
    float32 scores per attention head, in case they are computed in full.
    """
    config: Any = model.config.get_text_config()
    hidden = int(config.hidden_size)
    inner = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    heads = int(getattr(config, "num_attention_heads", None) or 1)
    width: int = model.dtype.itemsize
    return width * (8 * hidden + 3 * inner) + 4 * heads * window


def in_halves(call: Callable[[Sequence[S]], T], batch: Sequence[S]) -> Iterator[tuple[T, list[S]]]:
    """Call with a batch; if the device runs out of memory, with its halves, recursively.

    Yields:
        The result of a part, and the part; in order.

    Raises:
        torch.OutOfMemoryError: If there is no room for a single item.
    """
    try:
        found = call(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    else:
        yield found, list(batch)
        return
    # Outside the handler, which keeps the tensors of the failed attempt alive.
    torch.cuda.empty_cache()
    half = len(batch) // 2
    yield from in_halves(call, batch[:half])
    yield from in_halves(call, batch[half:])
