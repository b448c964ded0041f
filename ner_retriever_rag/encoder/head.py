"""The projection head: maps pooled taps to the space shared by mentions and types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

ACTIVATIONS = {"silu": nn.SiLU, "gelu": nn.GELU, "relu": nn.ReLU}
WEIGHTS, CONFIG = "head.safetensors", "head.json"


class ProjectionHead(nn.Module):
    """A multi-layer perceptron; with two sizes, a single linear layer.

    The paper's head (arXiv 2509.04011, section 3.2) is ``(1024, 500, 500)`` with SiLU and a
    dropout of 0.1.

    Args:
        sizes: Width of the input, of each hidden layer, and of the output.
        activation: ``"silu"``, ``"gelu"`` or ``"relu"``, between layers.
        dropout: Dropout probability in training, between layers.

    Raises:
        ValueError: If there are fewer than two sizes or the activation is unknown.
    """

    def __init__(
        self, sizes: Sequence[int], *, activation: str = "silu", dropout: float = 0.1
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"sizes needs an input and an output width, got {list(sizes)}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is not one of {', '.join(ACTIVATIONS)}")
        self.sizes = tuple(sizes)
        self.activation = activation
        self.dropout = dropout
        layers: list[nn.Module] = [nn.Linear(sizes[0], sizes[1])]
        for before, after in zip(sizes[1:-1], sizes[2:], strict=True):
            layers += [ACTIVATIONS[activation](), nn.Dropout(dropout), nn.Linear(before, after)]
        self.net = nn.Sequential(*layers)

    @property
    def dim(self) -> int:
        """Width of the output."""
        return self.sizes[-1]

    def forward(self, pooled: Tensor) -> Tensor:
        """Project ``(n, sizes[0])`` to L2-normalized ``(n, dim)``."""
        return nn.functional.normalize(self.net(pooled), dim=-1)

    def digest(self) -> str:
        """Sha256 of everything the output depends on."""
        digest = sha256(repr((self.sizes, self.activation)).encode())
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode() + value.float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def save(self, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
        """Write ``head.safetensors`` and ``head.json`` into a folder, created if needed.

        Args:
            folder: Target folder.
            dtype: Storage dtype of the weights; float16 halves the file at the cost of precision.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.to(dtype).contiguous() for name, value in self.state_dict().items()},
            folder / WEIGHTS,
        )
        config = {"sizes": self.sizes, "activation": self.activation, "dropout": self.dropout}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> ProjectionHead:
        """Load a head written by :meth:`save` (its folder), or the paper's authors' ``.pth`` file.

        Raises:
            FileNotFoundError: If there is no such folder or file.
            ValueError: If it holds no projection head.
        """
        path = Path(path)
        if path.is_dir():
            options = json.loads((path / CONFIG).read_text(encoding="utf-8"))
            head = cls(**options)
            weights = _read_safetensors(path / WEIGHTS)
        else:
            weights = _read_pth(path)
            # Only the sizes can be read off the file; the rest is as in the paper.
            head = cls(_sizes(weights, path), activation="silu", dropout=0.1)
        try:
            head.load_state_dict({name: value.float() for name, value in weights.items()})
        except RuntimeError as error:
            raise ValueError(f"{path} does not hold this projection head: {error}") from error
        return head.eval().requires_grad_(False)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error


def _read_pth(path: Path) -> dict[str, Tensor]:
    # weights_only: an untrusted pickle must not run code.
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError(f"{path} is not a file that torch can load safely: {error}") from error
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{path} holds no state dict")
    return {name.removeprefix("module."): value for name, value in loaded.items()}


def _sizes(weights: Mapping[str, Tensor], path: Path) -> list[int]:
    """Infer layer widths from the shapes of ``net.N.weight``."""
    matrices = [value for name, value in weights.items() if name.endswith("weight")]
    if not matrices or any(matrix.ndim != 2 for matrix in matrices):
        raise ValueError(f"{path} holds no projection head: {', '.join(weights) or 'empty'}")
    return [matrices[0].shape[1], *(matrix.shape[0] for matrix in matrices)]
