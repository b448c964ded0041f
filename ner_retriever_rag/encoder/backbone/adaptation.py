"""Adaptation of a backbone: low-rank deltas on its linear layers, merged when it is loaded.

A mild adaptation is stored as two thin matrices a layer instead of a second copy of the backbone
(LoRA, arXiv 2106.09685).
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

LORA_A, LORA_B = ".lora_A", ".lora_B"


def merge_adaptation(model: nn.Module, path: str | Path) -> None:
    """Add ``B @ A`` to the weight of every linear layer named in the file, in place.

    Args:
        model: The backbone, possibly cut: deltas of modules it no longer has are passed over.
        path: safetensors file with ``<module>.lora_A`` ``(rank, in)`` and ``<module>.lora_B``
            ``(out, rank)`` for each layer, the scale folded in.

    Raises:
        ValueError: If the file holds no deltas, or one that fits no weight of the model.
    """
    deltas = load_file(path)
    layers = {name.removesuffix(LORA_A) for name in deltas if name.endswith(LORA_A)}
    modules = dict(model.named_modules())
    merged = 0
    for layer in layers & modules.keys():
        weight = getattr(modules[layer], "weight", None)
        if weight is None:
            continue
        delta = deltas[layer + LORA_B].float() @ deltas[layer + LORA_A].float()
        if delta.shape != weight.shape:
            raise ValueError(f"{path}: {layer} is {tuple(delta.shape)}, not {tuple(weight.shape)}")
        with torch.no_grad():
            weight += delta.to(weight)
        merged += 1
    if not merged:
        raise ValueError(f"{path} holds no deltas for this backbone")
