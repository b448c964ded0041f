"""Adapting a backbone mildly: low-rank deltas, trained together with the head.

Only the deltas (LoRA, arXiv 2106.09685) and the head learn. A distillation term holds the mean of
the top layer to what the unadapted backbone gives, so that the text vector of the same pass keeps
its meaning.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.adaptation import A, B
from ner_retriever_rag.backbone import Backbone
from ner_retriever_rag.head import ProjectionHead
from ner_retriever_rag.pooling import token_ranges
from ner_retriever_rag.training.loop import History, LoopOptions, run
from ner_retriever_rag.training.losses import info_nce
from ner_retriever_rag.training.pairs import (
    MentionContext,
    MinedEntity,
    NegativeMask,
    PairSampler,
    Query,
)


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


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """The deltas, the head, and how both are trained.

    Attributes:
        rank: Of the deltas.
        first_block: Blocks before this one stay as they are, and no gradient goes through them.
        hidden: Widths of the head's hidden layers; none for a linear head.
        dim: Output width.
        dropout: In the head.
        temperature: Of the in-batch loss.
        batch: Pairs a step.
        more_types: Type descriptions added to a batch as negatives only.
        learning_rate: Of the deltas; rises over ``warmup`` steps, then falls to zero in a line.
        head_learning_rate: Of the head.
        warmup: Steps.
        text_weight: Weight of ``1 - cosine`` to the unadapted text vector.
        text_share: Share of a batch's contexts on which that is measured.
        context_width: Characters of context kept around a mention.
    """

    rank: int = 32
    first_block: int = 0
    hidden: tuple[int, ...] = ()
    dim: int = 128
    dropout: float = 0.0
    temperature: float = 0.05
    batch: int = 128
    more_types: int = 128
    learning_rate: float = 1e-3
    head_learning_rate: float = 1e-3
    warmup: int = 50
    text_weight: float = 4.0
    text_share: float = 0.34
    context_width: int = 160


class Adaptation(nn.Module):
    """A backbone with low-rank deltas and a head on its taps.

    Args:
        backbone: Read with ``forward``; its weights are frozen, and wrapped in place.
        options: Rank, head.
    """

    def __init__(self, backbone: Backbone, options: AdaptOptions) -> None:
        super().__init__()
        self.backbone = backbone
        self.model: nn.Module = backbone.model
        self.options = options
        self.model.requires_grad_(False)
        self.model.train(False)
        self.layers: dict[str, LowRankLinear] = {}
        for name, module in list(self.model.named_modules()):
            if isinstance(module, nn.Linear) and _block(name) >= options.first_block:
                wrapped = LowRankLinear(module, options.rank, 1.0)
                parent, _, last = name.rpartition(".")
                setattr(self.model.get_submodule(parent), last, wrapped)
                self.layers[name] = wrapped
        width = len(backbone.taps) * backbone.hidden_size
        self.head = ProjectionHead((width, *options.hidden, options.dim), dropout=options.dropout)

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

    def save_deltas(self, path: str | Path) -> None:
        """Write the deltas as float16, the scale folded in, for ``merge_adaptation``."""
        deltas = {}
        for name, layer in self.layers.items():
            deltas[name + A] = layer.down.detach().half().contiguous()
            deltas[name + B] = (layer.scale * layer.up).detach().half().contiguous()
        save_file(deltas, path)


def _block(name: str) -> int:
    """Number of the block a module is in; -1 outside of blocks."""
    return next((int(part) for part in name.split(".") if part.isdigit()), -1)


def adapt(
    adaptation: Adaptation,
    entities: Sequence[MinedEntity],
    weights: Sequence[float],
    sampler: Callable[[random.Random], PairSampler],
    mask: NegativeMask,
    options: AdaptOptions,
    loop: LoopOptions,
    evaluate: Callable[[], dict[str, float]] | None = None,
) -> History:
    """Train the deltas and the head.

    Args:
        adaptation: Trained in place.
        entities: To draw pairs from.
        weights: How often to draw each, in relation; see ``flattened``.
        sampler: Makes a sampler of pairs from a source of randomness.
        mask: Says which in-batch pairs are no negatives.
        options: Sizes, rates.
        loop: Steps, seed, checkpoints.
        evaluate: Figures to note on the way.
    """
    deltas = [p for n, p in adaptation.named_parameters() if p.requires_grad and "head." not in n]
    optimizer = torch.optim.AdamW(
        [
            {"params": deltas, "lr": options.learning_rate, "weight_decay": 0.0},
            {"params": list(adaptation.head.parameters()), "lr": options.head_learning_rate},
        ]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / options.warmup, (loop.steps - step) / loop.steps + 1e-3),
    )
    cumulative = list(accumulate(weights))
    drawn: dict[int, list[_Drawn]] = {}

    def loss_at(step: int) -> Tensor:
        chunk, place = divmod(step, _BUCKET)
        if chunk not in drawn:
            drawn.clear()
            drawn[chunk] = _draw(entities, cumulative, sampler, options, loop.seed, chunk)
        batch = drawn[chunk][place]
        adaptation.head.train()
        held = batch.contexts[:: max(1, round(1 / options.text_share))]
        target = adaptation.unadapted_text_vectors(held)
        mentions, texts = adaptation.read(batch.contexts)
        types = adaptation.read_types([q.text for q in batch.queries])
        out = mask(batch.entities, batch.queries)
        loss = info_nce(mentions, types, out, temperature=options.temperature)
        texts = texts[:: max(1, round(1 / options.text_share))]
        drift = 1 - functional.cosine_similarity(texts, target).mean()
        return loss + options.text_weight * drift

    return run(adaptation, optimizer, schedule, loss_at, loop, evaluate)


_BUCKET = 16  # batches drawn together and sorted by length


@dataclass(frozen=True, slots=True)
class _Drawn:
    entities: list[MinedEntity]
    contexts: list[MentionContext]
    queries: list[Query]  # one for each entity, then more that are negatives only


def _draw(
    entities: Sequence[MinedEntity],
    cumulative: Sequence[float],
    sampler: Callable[[random.Random], PairSampler],
    options: AdaptOptions,
    seed: int,
    chunk: int,
) -> list[_Drawn]:
    """The pairs of ``_BUCKET`` steps, in batches of like length; a function of seed and chunk."""
    rng = random.Random(f"{seed} {chunk}")
    draw = sampler(rng)
    chosen = rng.choices(range(len(entities)), cum_weights=cumulative, k=options.batch * _BUCKET)
    triples: list[Any] = []
    for i in chosen:
        context = draw.context(entities[i]).cropped(options.context_width)
        triples.append((entities[i], context, draw.query(entities[i])))
    triples.sort(key=lambda t: len(t[1].text))
    drawn = []
    for start in range(0, len(triples), options.batch):
        batch = triples[start : start + options.batch]
        more = [
            draw.query(e)
            for e in rng.choices(entities, cum_weights=cumulative, k=options.more_types)
        ]
        drawn.append(
            _Drawn([t[0] for t in batch], [t[1] for t in batch], [*(t[2] for t in batch), *more])
        )
    rng.shuffle(drawn)
    return drawn
