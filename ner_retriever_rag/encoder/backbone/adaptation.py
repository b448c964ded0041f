"""Adaptation of a backbone: deltas to its linear layers, merged on loading.

A mild adaptation is stored as two low-rank matrices per layer instead of a second copy of the
backbone (LoRA, arXiv 2106.09685), a thorough one as a full matrix per layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

LORA_A, LORA_B, DELTA = ".lora_A", ".lora_B", ".delta"


def merge_adaptation(model: nn.Module, path: str | Path) -> None:
    """Add the deltas of a safetensors file to a backbone; see :func:`add_deltas`.

    Raises:
        ValueError: If the file holds no deltas for the model, or one of another shape than the
            weight.
    """
    try:
        add_deltas(model, load_file(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def add_deltas(model: nn.Module, deltas: Mapping[str, Tensor]) -> None:
    """Add ``B @ A``, or the full delta, to the weight of every named linear layer, in place.

    Args:
        model: The backbone, possibly cut: deltas of modules it no longer has are skipped.
        deltas: For each layer ``<module>.lora_A`` ``(rank, in)`` and ``<module>.lora_B``
            ``(out, rank)``, with the scale folded in, or ``<module>.delta`` ``(out, in)``.

    Raises:
        ValueError: If there is none for the model, or one of another shape than the weight.
    """
    modules = dict(model.named_modules())
    merged = 0
    for layer in {name.rpartition(".")[0] for name in deltas} & modules.keys():
        weight = getattr(modules[layer], "weight", None)
        if weight is None:
            continue
        delta = deltas.get(layer + DELTA)
        if delta is None:
            delta = deltas[layer + LORA_B].float() @ deltas[layer + LORA_A].float()
        if delta.shape != weight.shape:
            raise ValueError(f"{layer} has shape {tuple(delta.shape)}, not {tuple(weight.shape)}")
        with torch.no_grad():
            weight += delta.to(weight)
        merged += 1
    if not merged:
        raise ValueError("holds no deltas for this backbone")
