"""How many tokens go through a backbone together: as many as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CPU = 4_096  # tokens; more together are no faster there
_MOST = 32_768  # tokens; a card is busy with fewer
_SHARE = 0.5  # of the free memory: the estimate is rough, and other processes want some

T = TypeVar("T")
S = TypeVar("S")


def batch_tokens(model: PreTrainedModel, device: torch.device, window: int) -> int:
    """How many padded tokens fit into one batch.

    Args:
        model: The backbone.
        device: Where it computes.
        window: Tokens of the longest window, which has to go through in any case.
    """
    if device.type == "cpu":
        return _CPU
    if device.type != "cuda":
        return _MOST
    room = int(_SHARE * free_memory(device) / bytes_of_token(model, window))
    return max(window, min(_MOST, room))


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU, with those that torch's allocator has cached."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def bytes_of_token(model: PreTrainedModel, window: int) -> int:
    """What one token takes in a forward pass, at the worst of it.

    That is a block's residual streams, projections and feed-forward layers, and one row of float32
    scores of each attention head, should they be computed in full.
    """
    config: Any = model.config.get_text_config()
    hidden = int(config.hidden_size)
    inner = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    heads = int(getattr(config, "num_attention_heads", None) or 1)
    width: int = model.dtype.itemsize
    return width * (8 * hidden + 3 * inner) + 4 * heads * window


def in_halves(call: Callable[[Sequence[S]], T], batch: Sequence[S]) -> Iterator[tuple[T, list[S]]]:
    """Call with a batch; where its device has no room for that, with its halves, and so on.

    Yields:
        What came of a part, and the part; in order.

    Raises:
        torch.OutOfMemoryError: If there is no room for a single one.
    """
    try:
        found = call(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    else:
        yield found, list(batch)
        return
    # Outside the handler, which holds on to the tensors of the attempt.
    torch.cuda.empty_cache()
    half = len(batch) // 2
    yield from in_halves(call, batch[:half])
    yield from in_halves(call, batch[half:])
