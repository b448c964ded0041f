"""Prototypes: cluster centers of mention vectors, and the step that pulls mentions toward them.

A mention's vector carries traces of its sentence: topic, grammar. The center of many mentions that
lie close together is free of them. So a vector moves part of the way toward the mixture of the
centers nearest to it: one lookup in a modern Hopfield network (Ramsauer et al. 2021, arXiv
2008.02217). The centers are found among mined mentions of all kinds, without labels.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch.nn import functional

WEIGHTS, CONFIG = "prototypes.safetensors", "prototypes.json"
_BATCH = 128  # mentions per step: intermediate results stay in a core's cache


class Prototypes:
    """Pulls mention vectors toward the prototypes of their kinds.

    Args:
        vectors: ``(n, dim)``, the prototypes, L2-normalized; stored as float16.
        weight: Step size: a vector moves to ``unit(vector + weight * mixture)``.
        width: Kernel width: drop in cosine at which a prototype's share in the mixture falls to
            1/e.

    Raises:
        ValueError: If there is no prototype, or ``width`` is not positive.
    """

    WEIGHTS = WEIGHTS

    def __init__(
        self, vectors: NDArray[np.floating], *, weight: float = 0.4, width: float = 0.03
    ) -> None:
        if vectors.ndim != 2 or not len(vectors) or width <= 0:
            raise ValueError(f"prototypes must be (n >= 1, dim), not {vectors.shape}; width > 0")
        self.vectors = np.asarray(vectors, dtype=np.float16)
        self.weight, self.width = weight, width

    def __len__(self) -> int:
        return len(self.vectors)

    def pull(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pull mention vectors toward the prototypes.

        Args:
            vectors: float32 ``(n, dim)``, L2-normalized.

        Returns:
            float32 ``(n, dim)``, L2-normalized.
        """
        pulled = np.empty_like(vectors)
        with torch.inference_mode():
            for start in range(0, len(vectors), _BATCH):
                some = torch.from_numpy(vectors[start : start + _BATCH])
                parts = torch.softmax((some / self.width) @ self._float32.T, dim=1)
                moved = functional.normalize(some + self.weight * (parts @ self._float32), dim=1)
                pulled[start : start + _BATCH] = moved.numpy()
        return pulled

    def moved(self, move: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Prototypes:
        """Return the prototypes in another space; ``move`` maps float32 ``(n, dim)`` into it."""
        vectors = move(self.vectors.astype(np.float32))
        return Prototypes(vectors, weight=self.weight, width=self.width)

    def extended(self, vectors: NDArray[np.float32]) -> Prototypes:
        """Return these prototypes and others, float32 ``(n, dim)``, L2-normalized."""
        every = np.concatenate([self.vectors, vectors.astype(np.float16)])
        return Prototypes(every, weight=self.weight, width=self.width)

    @cached_property
    def digest(self) -> str:
        """Sha256 of everything the pulled vectors depend on."""
        settings = repr((self.weight, self.width, self.vectors.shape))
        return sha256(settings.encode() + self.vectors.tobytes()).hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write ``prototypes.safetensors`` (float16) and ``prototypes.json``; create the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"vectors": self.vectors}, folder / WEIGHTS)
        config = {"weight": self.weight, "width": self.width}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Prototypes:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
        """
        folder = Path(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return cls(load_file(folder / WEIGHTS)["vectors"], **config)

    @cached_property
    def _float32(self) -> torch.Tensor:
        return torch.from_numpy(self.vectors.astype(np.float32))
