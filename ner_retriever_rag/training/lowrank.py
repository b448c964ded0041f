"""A trainable backbone: deltas to its linear layers and a projection head on its taps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.windows import Tokens, special_tokens, tokenize
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pooling import token_ranges
from ner_retriever_rag.training.deltas import adapted_layers
from ner_retriever_rag.training.mined import MentionContext

_MAX_TOKENS = 256  # per text, including special tokens
_TYPE_BATCH = 64  # descriptions per forward pass

Span = tuple[int, int, int]  # index of the text, first character, one past the last


class Adaptation(nn.Module):
    """A backbone with deltas to its linear layers and a head on its taps.

    Args:
        backbone: Run with ``forward``; its weights are frozen and its linear layers wrapped in
            place.
        head: Projects the concatenated taps.
        rank: Rank of the deltas (LoRA, arXiv 2106.09685); 0 for full-rank ones.
        first_block: Blocks before this one stay frozen; no gradient flows through them.
        taps: Taps that the head reads; None for all taps of the backbone.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: ProjectionHead,
        *,
        rank: int = 32,
        first_block: int = 0,
        taps: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.taps = list(map(str, backbone.taps)) if taps is None else list(taps)
        self.model: nn.Module = backbone.model
        self.head = head
        self._prefix, self._suffix = special_tokens(backbone.tokenizer)
        self.layers = adapted_layers(self.model, rank, first_block)

    @property
    def before(self) -> int:
        """Number of special tokens before the tokens of a text."""
        return len(self._prefix)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenize texts, truncating each to the maximum length."""
        most = min(_MAX_TOKENS, self.backbone.window) - len(self._prefix) - len(self._suffix)
        found = tokenize(self.backbone.tokenizer, texts)
        return [Tokens(each.ids[:most], each.offsets[:most]) for each in found]

    def read(self, texts: Sequence[Tokens], spans: Sequence[Span]) -> tuple[Tensor, Tensor]:
        """Encode mentions and whole texts in one forward pass.

        Args:
            texts: The tokenized texts.
            spans: Mentions, any number per text.

        Returns:
            ``(len(spans), dim)`` normalized mention vectors and ``(len(texts), hidden)``, the
            mean-pooled top layer.
        """
        ids, mask = self.padded(texts)
        taken = [0] * len(texts)  # number of mentions placed so far, per text
        places = []
        for text, _, _ in spans:
            places.append((text, taken[text]))
            taken[text] += 1
        inside = torch.zeros(len(texts), max(taken, default=0), ids.shape[1])
        for (text, start, end), place in zip(spans, places, strict=True):
            if len(texts[text].ids):
                first, after = token_ranges(texts[text].offsets, [(start, end)])
                left = len(self._prefix)
                inside[place][left + first[0] : left + after[0]] = 1 / (after[0] - first[0])
        rows, columns = torch.tensor(places).reshape(-1, 2).T
        taps = self.backbone.forward(ids, mask)
        return self.head(self._pool(taps, inside)[rows, columns]), self.means(taps, mask)

    def read_types(self, descriptions: Sequence[str]) -> Tensor:
        """Encode type descriptions, duplicates only once: normalized ``(n, dim)`` vectors."""
        unique = list(dict.fromkeys(descriptions))
        tokens = self.tokenize(unique)
        order = sorted(range(len(unique)), key=lambda i: len(tokens[i].ids))
        pooled = []
        for start in range(0, len(order), _TYPE_BATCH):
            some = [tokens[i] for i in order[start : start + _TYPE_BATCH]]
            ids, mask = self.padded(some)
            inside = torch.zeros(len(some), 1, ids.shape[1])
            for row, each in enumerate(some):
                left = len(self._prefix)
                inside[row, 0, left : left + len(each.ids)] = 1 / max(1, len(each.ids))
            pooled.append(self._pool(self.backbone.forward(ids, mask), inside)[:, 0])
        place = {unique[i]: place for place, i in enumerate(order)}
        vectors: Tensor = self.head(torch.cat(pooled)[[place[text] for text in descriptions]])
        return vectors

    def unadapted_text_vectors(self, texts: Sequence[Tokens]) -> Tensor:
        """Mean-pooled top layer ``(n, hidden)`` of the backbone without its deltas; no gradient."""
        for layer in self.layers.values():
            layer.active = False
        try:
            with torch.no_grad():
                ids, mask = self.padded(texts)
                return self.means(self.backbone.forward(ids, mask), mask)
        finally:
            for layer in self.layers.values():
                layer.active = True

    def encode(self, contexts: Sequence[MentionContext], batch: int = 128) -> NDArray[np.float32]:
        """Encode mentions without gradient, in batches of similar length: float32 ``(n, dim)``."""
        self.head.train(False)
        places: dict[str, list[int]] = {}
        for i, context in enumerate(contexts):
            places.setdefault(context.text, []).append(i)  # encode each text only once
        texts = sorted(places, key=len)
        vectors = np.empty((len(contexts), self.head.dim), dtype=np.float32)
        with torch.no_grad():
            for start in range(0, len(texts), batch):
                some = texts[start : start + batch]
                rows = [i for text in some for i in places[text]]
                spans = [
                    (number, contexts[i].start, contexts[i].end)
                    for number, text in enumerate(some)
                    for i in places[text]
                ]
                vectors[rows] = self.read(self.tokenize(some), spans)[0].numpy()
        return vectors

    def encode_types(self, descriptions: Sequence[str]) -> NDArray[np.float32]:
        """Encode type descriptions without gradient: float32 ``(n, dim)``."""
        self.head.train(False)
        with torch.no_grad():
            vectors: NDArray[np.float32] = self.read_types(descriptions).numpy()
        return vectors

    def text_cosine(self, texts: Sequence[str], batch: int = 16) -> float:
        """Mean cosine between the text vectors of the adapted and of the unadapted backbone."""
        ordered = sorted(texts, key=len)
        cosines = []
        with torch.no_grad():
            for start in range(0, len(ordered), batch):
                some = self.tokenize(ordered[start : start + batch])
                adapted = self.read(some, [(0, 0, 1)])[1]
                cosines.append(
                    functional.cosine_similarity(adapted, self.unadapted_text_vectors(some))
                )
        return float(torch.cat(cosines).mean())

    def learned(self) -> dict[str, Tensor]:
        """Copies of all trainable parameters, by name."""
        named = self.named_parameters()
        return {name: value.detach().clone() for name, value in named if value.requires_grad}

    def turn_back(self, before: Mapping[str, Tensor], share: float) -> None:
        """Interpolate from ``before``, an earlier output of ``learned``, to the current weights.

        Args:
            before: The earlier parameters.
            share: Weight of the current parameters.
        """
        with torch.no_grad():
            for name, value in self.named_parameters():
                if name in before:
                    value.copy_(torch.lerp(before[name], value, share))

    def load_deltas(self, path: str | Path) -> None:
        """Load deltas written by :meth:`save_deltas`, to continue training.

        Raises:
            ValueError: If the file's deltas are for other layers or of another rank.
        """
        deltas = load_file(path)
        for name, layer in self.layers.items():
            if not layer.load(name, deltas) and layer.rank:
                raise ValueError(f"{path} holds no delta of rank {layer.rank} for {name}")
        saved = {name.rpartition(".")[0] for name in deltas}
        if left := saved - self.layers.keys():
            raise ValueError(f"{path} holds deltas for layers that are not adapted: {min(left)}")

    def save_deltas(self, path: str | Path) -> None:
        """Write the deltas as float16 for ``merge_adaptation``."""
        save_file(
            {k: v for n, layer in self.layers.items() for k, v in layer.saved(n).items()}, path
        )

    def padded(self, texts: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Input ids and attention mask: special tokens added, padded on the right."""
        around = len(self._prefix) + len(self._suffix)
        longest = around + max(len(text.ids) for text in texts)
        ids = np.full((len(texts), longest), self.backbone.tokenizer.pad_token_id or 0)
        mask = np.zeros_like(ids)
        for row, text in enumerate(texts):
            end = around + len(text.ids)
            ids[row, :end] = [*self._prefix, *text.ids, *self._suffix]
            mask[row, :end] = 1
        return torch.from_numpy(ids), torch.from_numpy(mask)

    def _pool(self, taps: dict[str, Tensor], weights: Tensor) -> Tensor:
        """Weighted sums over tokens, taps concatenated: float32 ``(texts, sums, taps * width)``."""
        states = [taps[tap] for tap in self.taps]
        return torch.cat([(weights.to(each) @ each).float() for each in states], -1)

    def means(self, taps: dict[str, Tensor], mask: Tensor) -> Tensor:
        """Mean-pool the top layer over all tokens: float32 ``(texts, hidden)``."""
        top = taps[self.backbone.top]
        share = (mask / mask.sum(1, keepdim=True)).to(top)
        return (share.unsqueeze(1) @ top).squeeze(1).float()
