"""Linear layers that learn a delta to a frozen weight: two thin matrices (LoRA), or a full one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.adaptation import DELTA, LORA_A, LORA_B


class _LowRank(torch.autograd.Function):
    """A linear layer by its merged weight; gradients go to the two thin matrices alone.

    One matrix product each way, instead of three: ``up @ down`` is in the weight already, and the
    gradient of the weight, which is not needed, is never formed.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor
    ) -> Tensor:
        """``x @ weight.T + bias`` with ``weight`` the sum of the frozen one and ``up @ down``."""
        ctx.save_for_backward(x, weight, down, up)
        return functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of both thin matrices."""
        x, weight, down, up = ctx.saved_tensors
        flat, out = x.reshape(-1, x.shape[-1]), gradients[0].reshape(-1, weight.shape[0])
        to_input = (out @ weight).view_as(x) if ctx.needs_input_grad[0] else None
        to_down = (out @ up.to(x.dtype)).T @ flat
        to_up = out.T @ (flat @ down.to(x.dtype).T)
        return to_input, None, None, to_down.to(down.dtype), to_up.to(up.dtype)


class _FullRank(torch.autograd.Function):
    """A linear layer by its merged weight, in the frozen one's dtype; the delta stays float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, delta: Tensor) -> Tensor:
        """``x @ weight.T + bias`` with ``weight`` the sum of the frozen one and ``delta``."""
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
    """A frozen linear layer plus a delta, which starts at zero.

    Args:
        frozen: The layer.
        rank: Of the delta; 0 for a full one.
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
        """The delta as float16 tensors for ``merge_adaptation``."""
        keys = (LORA_A, LORA_B) if self.rank else (DELTA,)
        return {
            name + key: value.detach().half().contiguous()
            for key, value in zip(keys, self.learned, strict=True)
        }

    def load(self, name: str, deltas: Mapping[str, Tensor]) -> bool:
        """Take over a saved delta; a full one also takes what thin matrices make. False if none."""
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
        """The thin matrices ``(rank, in)`` and ``(out, rank)``, or the full delta."""
        return (self.down, self.up) if self.rank else (self.full,)

    def _weight(self) -> Tensor:
        """The merged weight, rebuilt whenever an optimiser has changed the delta."""
        now = [each._version for each in self.learned]
        if self._merged is None or self._merged[0] != now:
            with torch.no_grad():
                delta = self.up @ self.down if self.rank else self.full
                weight = self.frozen.weight.float() + delta
                self._merged = (now, weight.to(self.frozen.weight.dtype))
        return self._merged[1]


def adapted_layers(model: nn.Module, rank: int, first_block: int = 0) -> dict[str, AdaptedLinear]:
    """Freeze a backbone and give its linear layers deltas, in place.

    Args:
        model: The backbone.
        rank: Of the deltas; 0 for full ones.
        first_block: Blocks before this one stay as they are; no gradient goes through them.

    Returns:
        The layers by their names.
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


def _block(name: str) -> int:
    """Number of the block a module is in; -1 outside of blocks."""
    return next((int(part) for part in name.split(".") if part.isdigit()), -1)
