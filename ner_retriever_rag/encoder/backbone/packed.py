"""Packed backbones: a checkpoint in a fraction of its size, as bundled with saved encoders.

Weights are float16; large embeddings are int8 with one float16 scale per row. Everything after the
last tap is left out and deltas are merged, so nothing else is needed to load it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = "packed.safetensors"
_SCALE = ".int8_scale"
_LARGE = 4096  # rows; an embedding with at least this many is quantized to int8
_STEPS = 127


def is_packed(folder: str | Path) -> bool:
    """Whether a folder holds a packed backbone."""
    return (Path(folder) / WEIGHTS).is_file()


def write_packed(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model with its tokenizer and configuration into a folder, created if needed.

    Args:
        model: In float32, cut after its last tap, deltas merged.
        tokenizer: Its tokenizer.
        folder: Target folder.

    Raises:
        ValueError: If a weight exceeds the range of float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    large = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings >= _LARGE
    }
    packed: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if name in large:
            packed[name], packed[name + _SCALE] = _to_int8(value)
        else:
            packed[name] = value.half().contiguous() if value.is_floating_point() else value
    for name, value in packed.items():
        if not value.isfinite().all():
            raise ValueError(f"{name} of {type(model).__name__} does not fit into float16")
    save_file(packed, folder / WEIGHTS)
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def read_packed(folder: str | Path, has_place: Callable[[str], bool]) -> dict[str, Tensor]:
    """Read the weights that a model has parameters for, as float16 or float32."""
    with safe_open(Path(folder) / WEIGHTS, framework="pt") as file:
        names = [name for name in file.keys() if not name.endswith(_SCALE)]  # noqa: SIM118
        weights = {name: file.get_tensor(name) for name in names if has_place(name)}
        for name, value in weights.items():
            if value.dtype == torch.int8:
                weights[name] = value.float() * file.get_tensor(name + _SCALE).float()
    return weights


def _to_int8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize rows to int8 ``(n, width)``; also return the scales, float16 ``(n, 1)``."""
    scales = (rows.abs().amax(1, keepdim=True) / _STEPS).half()
    # A row of zeros (of the padding token) has scale 0, which cannot be divided by.
    steps = rows / scales.float().masked_fill(scales == 0, 1)
    return steps.round().clamp(-_STEPS, _STEPS).to(torch.int8), scales
