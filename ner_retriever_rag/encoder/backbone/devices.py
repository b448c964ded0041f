"""Where a backbone computes, and in which dtype."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch

DTYPES = ("float32", "bfloat16", "float16")
# Instructions with which a processor multiplies matrices of bfloat16 faster than of float32.
_FAST_BFLOAT16 = ("amx_bf16", "avx512_bf16")


def best_device() -> str:
    """The accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def check_device(device: str | None) -> None:
    """Check that a device is there, without waking it.

    Raises:
        ValueError: If torch knows no device of that name, or there is none here.
    """
    if device is None:
        return
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device {device!r} is none that torch knows: cpu, cuda, cuda:1, mps ..."
        ) from error
    if wanted.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (wanted.index or 0) >= count:
            raise ValueError(f"device {device!r} is not there: torch sees {count} CUDA devices")
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {device!r} is not there: torch sees no Apple GPU")


def resolve_dtype(dtype: str, device: str | None, checkpoint: Callable[[], Path]) -> str:
    """The dtype that ``"auto"`` stands for on a device; another one's name is only checked.

    On the CPU it is bfloat16 where the processor computes in that, float32 elsewhere; on an
    accelerator it is the checkpoint's own.

    Args:
        dtype: ``"auto"`` or the name of one.
        device: As for ``Backbone``.
        checkpoint: Gives the folder of the checkpoint; asked only where that decides.

    Raises:
        ValueError: If the dtype is unknown.
    """
    if dtype != "auto":
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r} is not auto, {', '.join(DTYPES)}")
        return dtype
    if torch.device(device or best_device()).type == "cpu":
        return "bfloat16" if _computes_in_bfloat16() else "float32"
    config = json.loads((checkpoint() / "config.json").read_text(encoding="utf-8"))
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def _computes_in_bfloat16() -> bool:
    # Older versions of torch do not tell; there float32 is never wrong.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in _FAST_BFLOAT16)
