"""A backbone with low-rank deltas (LoRA, arXiv 2106.09685) and a head on its taps, in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.adaptation import LORA_A, LORA_B
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pooling import token_ranges
from ner_retriever_rag.training.mined import MentionContext


class LowRankLinear(nn.Module):
    """A frozen linear layer plus ``up @ down``, which starts at zero."""

    def __init__(self, frozen: nn.Linear, rank: int, scale: float) -> None:
        """Wrap ``frozen``; the delta is ``scale * up @ down``."""
        super().__init__()
        self.frozen = frozen
        self.scale = scale
        self.active = True
        self.down = nn.Parameter(torch.empty(rank, frozen.in_features))
        self.up = nn.Parameter(torch.zeros(frozen.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """The adapted layer's output, in the input's dtype."""
        if not self.active:
            out: Tensor = self.frozen(x)
            return out
        low = functional.linear(x, self.down.to(x.dtype))
        return torch.add(
            self.frozen(x), functional.linear(low, self.up.to(x.dtype)), alpha=self.scale
        )


class Adaptation(nn.Module):
    """A backbone with low-rank deltas and a head on its taps.

    Args:
        backbone: Read with ``forward``; its weights are frozen, and wrapped in place.
        head: Projects the concatenated taps.
        rank: Of the deltas.
        first_block: Blocks before this one stay as they are; no gradient goes through them.
    """

    def __init__(
        self, backbone: Backbone, head: ProjectionHead, *, rank: int = 32, first_block: int = 0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.model: nn.Module = backbone.model
        self.head = head
        self.model.requires_grad_(False)
        self.model.train(False)
        self.layers: dict[str, LowRankLinear] = {}
        for name, module in list(self.model.named_modules()):
            if isinstance(module, nn.Linear) and _block(name) >= first_block:
                wrapped = LowRankLinear(module, rank, 1.0)
                parent, _, last = name.rpartition(".")
                setattr(self.model.get_submodule(parent), last, wrapped)
                self.layers[name] = wrapped

    def read(self, contexts: Sequence[MentionContext]) -> tuple[Tensor, Tensor]:
        """Vectors of mentions and of their whole texts.

        Returns:
            ``(n, dim)`` normalised mention vectors and ``(n, hidden)`` mean-pooled top layer.
        """
        encoded = self.backbone.tokenizer(
            [c.text for c in contexts], return_offsets_mapping=True, padding=True,
            truncation=True, max_length=256, return_tensors="pt",
        )  # fmt: skip
        mask = encoded["attention_mask"]
        inside = torch.zeros(mask.shape)
        for row, (context, offsets) in enumerate(
            zip(contexts, encoded["offset_mapping"].numpy(), strict=True)
        ):
            real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
            first, after = token_ranges(offsets[real], [(context.start, context.end)])
            inside[row, real[first[0] : after[0]]] = 1
        return self._pool(encoded["input_ids"], mask, inside)

    def read_types(self, descriptions: Sequence[str]) -> Tensor:
        """``(n, dim)`` normalised vectors of type descriptions."""
        encoded = self.backbone.tokenizer(
            list(descriptions), padding=True, truncation=True, max_length=32, return_tensors="pt",
            return_special_tokens_mask=True,
        )  # fmt: skip
        mask = encoded["attention_mask"]
        inside = (mask * (1 - encoded["special_tokens_mask"])).float()
        return self._pool(encoded["input_ids"], mask, inside)[0]

    def _pool(self, ids: Tensor, mask: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        taps = self.backbone.forward(ids, mask)
        states = torch.cat([taps[str(tap)] for tap in self.backbone.taps], -1)
        weights = (inside / inside.sum(1, keepdim=True).clamp(min=1)).to(states)
        vectors = self.head(torch.einsum("bt,btw->bw", weights, states).float())
        top = taps[self.backbone.top].float()
        mean = (top * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        return vectors, mean

    def unadapted_text_vectors(self, contexts: Sequence[MentionContext]) -> Tensor:
        """Mean-pooled top layer ``(n, hidden)`` of the backbone without its deltas; no gradient."""
        for layer in self.layers.values():
            layer.active = False
        try:
            with torch.no_grad():
                return self.read(contexts)[1]
        finally:
            for layer in self.layers.values():
                layer.active = True

    def encode(self, contexts: Sequence[MentionContext], batch: int = 128) -> NDArray[np.float32]:
        """float32 ``(n, dim)``: mentions encoded without gradient, in batches of like length."""
        self.head.train(False)
        order = sorted(range(len(contexts)), key=lambda i: len(contexts[i].text))
        vectors = np.empty((len(contexts), self.head.dim), dtype=np.float32)
        with torch.no_grad():
            for start in range(0, len(order), batch):
                rows = order[start : start + batch]
                vectors[rows] = self.read([contexts[i] for i in rows])[0].numpy()
        return vectors

    def encode_types(self, descriptions: Sequence[str]) -> NDArray[np.float32]:
        """float32 ``(n, dim)``: type descriptions encoded without gradient."""
        self.head.train(False)
        with torch.no_grad():
            vectors: NDArray[np.float32] = self.read_types(descriptions).numpy()
        return vectors

    def text_cosine(self, texts: Sequence[str], batch: int = 16) -> float:
        """Mean cosine of the adapted text vectors to the unadapted backbone's."""
        contexts = [MentionContext(text, 0, 1) for text in sorted(texts, key=len)]
        cosines = []
        with torch.no_grad():
            for start in range(0, len(contexts), batch):
                some = contexts[start : start + batch]
                adapted = self.read(some)[1]
                cosines.append(
                    functional.cosine_similarity(adapted, self.unadapted_text_vectors(some))
                )
        return float(torch.cat(cosines).mean())

    def save_deltas(self, path: str | Path) -> None:
        """Write the deltas as float16, the scale folded in, for ``merge_adaptation``."""
        deltas = {}
        for name, layer in self.layers.items():
            deltas[name + LORA_A] = layer.down.detach().half().contiguous()
            deltas[name + LORA_B] = (layer.scale * layer.up).detach().half().contiguous()
        save_file(deltas, path)


def _block(name: str) -> int:
    """Number of the block a module is in; -1 outside of blocks."""
    return next((int(part) for part in name.split(".") if part.isdigit()), -1)
