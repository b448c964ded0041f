"""Linear layers that learn a delta to a frozen weight: low-rank (LoRA) or full-rank."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.adaptation import DELTA, LORA_A, LORA_B


class _LowRank(torch.autograd.Function):
    """A linear layer with a merged weight, of which only the low-rank factors are trained.

    The output and the input gradient take one matrix product each instead of three, since
    ``up @ down`` is already merged into the weight. The weight's own gradient is not needed and
    never formed.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor
    ) -> Tensor:
        """``x @ weight.T + bias``, where ``weight`` is the frozen weight plus ``up @ down``."""
        ctx.save_for_backward(x, weight, down, up)
        return functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of both low-rank factors."""
        x, weight, down, up = ctx.saved_tensors
        flat, out = x.reshape(-1, x.shape[-1]), gradients[0].reshape(-1, weight.shape[0])
        to_input = (out @ weight).view_as(x) if ctx.needs_input_grad[0] else None
        to_down = (out @ up.to(x.dtype)).T @ flat
        to_up = out.T @ (flat @ down.to(x.dtype).T)
        return to_input, None, None, to_down.to(down.dtype), to_up.to(up.dtype)


class _FullRank(torch.autograd.Function):
    """A linear layer with a merged weight in the frozen one's dtype; the delta stays float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, delta: Tensor) -> Tensor:
        """``x @ weight.T + bias``, where ``weight`` is the frozen weight plus ``delta``."""
        ctx.save_for_backward(x, weight)
        return functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of the delta."""
        x, weight = ctx.saved_tensors
        flat, out = x.reshape(-1, x.shape[-1]), gradients[0].reshape(-1, weight.shape[0])
        to_input = (out @ weight).view_as(x) if ctx.needs_input_grad[0] else None
        return to_input, None, None, (out.T @ flat).float()


class AdaptedLinear(nn.Module):
    """A frozen linear layer plus a learned delta, initialized to zero.

    Args:
        frozen: The layer.
        rank: Rank of the delta; 0 for a full-rank one.
    """

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen
        self.active = True
        out, width = frozen.weight.shape
        if rank:
            self.down = nn.Parameter(torch.empty(rank, width))
            self.up = nn.Parameter(torch.zeros(out, rank))
            nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        else:
            self.full = nn.Parameter(torch.zeros(out, width))
        self.rank = rank
        self._merged: tuple[list[int], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The adapted layer's output, in the input's dtype."""
        if not self.active:
            out: Tensor = self.frozen(x)
            return out
        function = _LowRank if self.rank else _FullRank
        merged: Tensor = function.apply(  # type: ignore[no-untyped-call]
            x, self._weight(), self.frozen.bias, *self.learned
        )
        return merged

    def saved(self, name: str) -> dict[str, Tensor]:
        """The delta as float16 tensors, as ``merge_adaptation`` expects them."""
        keys = (LORA_A, LORA_B) if self.rank else (DELTA,)
        return {
            name + key: value.detach().half().contiguous()
            for key, value in zip(keys, self.learned, strict=True)
        }

    def load(self, name: str, deltas: Mapping[str, Tensor]) -> bool:
        """Load a saved delta; a full-rank layer also accepts low-rank factors. False if none."""
        down, up = deltas.get(name + LORA_A), deltas.get(name + LORA_B)
        with torch.no_grad():
            if not self.rank:
                full = deltas.get(name + DELTA)
                if down is not None and up is not None:
                    full = up.float() @ down.float()
                if full is not None:
                    self.full.copy_(full)
                return full is not None
            if down is None or up is None or down.shape != self.down.shape:
                return False
            self.down.copy_(down)
            self.up.copy_(up)
            return True

    @property
    def learned(self) -> tuple[Tensor, ...]:
        """The low-rank factors ``(rank, in)`` and ``(out, rank)``, or the full delta."""
        return (self.down, self.up) if self.rank else (self.full,)

    def _weight(self) -> Tensor:
        """The merged weight, rebuilt whenever the optimizer has changed the delta."""
        now = [each._version for each in self.learned]
        if self._merged is None or self._merged[0] != now:
            with torch.no_grad():
                delta = self.up @ self.down if self.rank else self.full
                weight = self.frozen.weight.float() + delta
                self._merged = (now, weight.to(self.frozen.weight.dtype))
        return self._merged[1]


def adapted_layers(model: nn.Module, rank: int, first_block: int = 0) -> dict[str, AdaptedLinear]:
    """Freeze a backbone and add deltas to its linear layers, in place.

    Args:
        model: The backbone.
        rank: Rank of the deltas; 0 for full-rank ones.
        first_block: Blocks before this one stay frozen; no gradient flows through them.

    Returns:
        The adapted layers by name.
    """
    model.requires_grad_(False)
    model.train(False)
    layers = {}
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and _block(name) >= first_block:
            layers[name] = AdaptedLinear(module, rank)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, layers[name])
    return layers


def added(deltas: Mapping[str, Tensor], more: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Low-rank deltas that are the sum of two; their ranks add up.

    Args:
        deltas: For each layer ``<module>.lora_A`` ``(rank, in)`` and ``<module>.lora_B``
            ``(out, rank)``.
        more: Likewise, for the same or other layers.
    """
    both = dict(deltas)
    for down in (name for name in more if name.endswith(LORA_A)):
        up = down.removesuffix(LORA_A) + LORA_B
        if down in both:
            both[down] = torch.cat([both[down], more[down].to(both[down])])
            both[up] = torch.cat([both[up], more[up].to(both[up])], dim=1)
        else:
            both[down], both[up] = more[down], more[up]
    return {name: each.half().contiguous() for name, each in both.items()}


def _block(name: str) -> int:
    """Index of the block that contains a module; -1 outside of blocks."""
    return next((int(part) for part in name.split(".") if part.isdigit()), -1)
