"""Device and dtype of a backbone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch

DTYPES = ("float32", "bfloat16", "float16")


def best_device() -> str:
    """The accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def check_device(device: str | None) -> None:
    """Check that a device is available, without initializing it.

    Raises:
        ValueError: If torch knows no device of that name, or it is not available.
    """
    if device is None:
        return
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device {device!r} is not one that torch knows: cpu, cuda, cuda:1, mps ..."
        ) from error
    if wanted.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (wanted.index or 0) >= count:
            raise ValueError(f"device {device!r} is not available: torch sees {count} CUDA devices")
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {device!r} is not available: torch sees no Apple GPU")


def resolve_dtype(dtype: str, device: str | None, checkpoint: Callable[[], Path]) -> str:
    """Resolve ``"auto"`` to a dtype for a device; other names are only checked.

    On the CPU it is bfloat16 if the processor computes in it, else float32; on an accelerator it is
    the checkpoint's own dtype.

    Args:
        dtype: ``"auto"`` or the name of a dtype.
        device: As for ``Backbone``.
        checkpoint: Returns the folder of the checkpoint; called only if needed.

    Raises:
        ValueError: If the dtype is unknown.
    """
    if dtype != "auto":
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r} is not one of auto, {', '.join(DTYPES)}")
        return dtype
    if torch.device(device or best_device()).type == "cpu":
        return "bfloat16" if _computes_in_bfloat16() else "float32"
    config = json.loads((checkpoint() / "config.json").read_text(encoding="utf-8"))
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def _computes_in_bfloat16() -> bool:
    """Whether matrix products are faster in bfloat16 than in float32."""
    # Older versions of torch do not report it; then float32 is always safe.
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    # A Xeon with AVX512-FP16 whose hypervisor hides AMX encodes a third fewer texts in bfloat16.
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and not has.get("avx512_fp16")))
