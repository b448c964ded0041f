"""Train a projection head on the cached features of a frozen backbone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pooling import POOLINGS
from ner_retriever_rag.training.features import as_tensor, mention_features, type_features
from ner_retriever_rag.training.loop import History, LoopOptions, run
from ner_retriever_rag.training.losses import info_nce, triplet
from ner_retriever_rag.training.mined import CROP, MinedEntity
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.pairs import PairSampler, TypeQuery


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """Hyperparameters of the head and its training.

    Attributes:
        hidden: Widths of the hidden layers; empty for a linear head.
        dim: Output width.
        dropout: Dropout between layers.
        loss: ``"info_nce"``, or the paper's ``"triplet"``.
        temperature: Temperature of the in-batch loss.
        margin: Margin of the triplet loss.
        hard_negatives: Share of the triplets with the nearest negative instead of a random one.
        grains: Whether a type is also queried by shorter, broader and plural forms of its name.
        pooling: How a mention's tokens are pooled into one vector.
        batch: Pairs per step.
        learning_rate: Peak of a one-cycle schedule.
        weight_decay: Weight decay of AdamW.
    """

    hidden: tuple[int, ...] = (512,)
    dim: int = 128
    dropout: float = 0.1
    loss: str = "info_nce"
    temperature: float = 0.05
    margin: float = 0.5
    hard_negatives: float = 0.1
    grains: bool = True
    pooling: str = "mean"
    batch: int = 1024
    learning_rate: float = 1e-3
    weight_decay: float = 0.01


PRESETS = {
    "ours": HeadOptions(),
    # arXiv 2509.04011, sections 3.2 and 3.3.
    "paper": HeadOptions(
        hidden=(500,),
        dim=500,
        dropout=0.1,
        loss="triplet",
        margin=0.5,
        hard_negatives=0.1,
        grains=False,
        pooling="last",
    ),
}


def preset_options(preset: str, **given: Any) -> HeadOptions:
    """Return a preset's options, overridden by the given ones that are not None.

    Raises:
        ValueError: If the preset or the pooling is unknown.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r} is not one of {', '.join(PRESETS)}")
    options = replace(PRESETS[preset], **{k: v for k, v in given.items() if v is not None})
    if options.pooling not in POOLINGS:
        raise ValueError(f"pooling {options.pooling!r} is not one of {', '.join(POOLINGS)}")
    return options


@dataclass(frozen=True, slots=True)
class CachedPairs:
    """Pairs with precomputed features.

    Attributes:
        entities: One per row of ``mentions``.
        mentions: ``(n, width)``, pooled taps of one context per entity.
        queries: For each entity, type descriptions to choose from.
        rows: Maps a description's text to its row of ``types``.
        types: ``(m, width)``, pooled taps of the descriptions.
    """

    entities: Sequence[MinedEntity]
    mentions: NDArray[np.float16]
    queries: Sequence[Sequence[TypeQuery]]
    rows: dict[str, int]
    types: NDArray[np.float16]


def read_pairs(
    backbone: Backbone,
    entities: Sequence[MinedEntity],
    sampler: PairSampler,
    cache: Path | None,
    pooling: str,
) -> CachedPairs:
    """Sample one context and four type descriptions per entity, and compute their features.

    Args:
        backbone: Provides the taps that the head will read.
        entities: One per pair.
        sampler: Samples contexts, then descriptions.
        cache: Folder for cached features.
        pooling: How a mention's tokens are pooled into one vector.
    """
    contexts = [sampler.context(each).cropped(CROP) for each in entities]
    queries = [[sampler.query(each) for _ in range(4)] for each in entities]
    texts = sorted({query.text for some in queries for query in some})
    return CachedPairs(
        entities,
        mention_features(backbone, contexts, cache, pooling),
        queries,
        {text: row for row, text in enumerate(texts)},
        type_features(backbone, texts, cache, pooling),
    )


def train_head(
    pairs: CachedPairs,
    mask: NegativeMask,
    options: HeadOptions,
    loop: LoopOptions,
    evaluate: Callable[[ProjectionHead], dict[str, float]] | None = None,
) -> tuple[ProjectionHead, History]:
    """Train a head; deterministic for a given seed, even if training was interrupted.

    Args:
        pairs: Training pairs.
        mask: Marks in-batch pairs that are not negatives.
        options: The head and its loss.
        loop: Steps, seed, checkpoints.
        evaluate: Computes metrics of a head to record during training.

    Raises:
        ValueError: If there are fewer pairs than one batch, or the loss is unknown.
    """
    if len(pairs.entities) < options.batch:
        raise ValueError(f"{len(pairs.entities)} pairs are fewer than one batch of {options.batch}")
    losses = {
        "info_nce": lambda m, t, out: info_nce(m, t, out, temperature=options.temperature),
        "triplet": lambda m, t, out: triplet(
            m, t, out, margin=options.margin, hard=options.hard_negatives
        ),
    }
    if options.loss not in losses:
        raise ValueError(f"loss {options.loss!r} is not one of {', '.join(losses)}")
    torch.manual_seed(loop.seed)
    width = pairs.mentions.shape[1]
    head = ProjectionHead((width, *options.hidden, options.dim), dropout=options.dropout)
    optimizer = torch.optim.AdamW(
        head.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=loop.steps + 1, pct_start=0.1
    )

    def loss_at(step: int) -> Tensor:
        head.train()
        chosen = batch_at(step, len(pairs.entities), options.batch, loop.seed)
        rng = random.Random(f"{loop.seed} {step}")
        queries = [rng.choice(pairs.queries[i]) for i in chosen]
        mentions = as_tensor(pairs.mentions[np.sort(chosen)])[_ranks(chosen)]
        types = as_tensor(pairs.types[[pairs.rows[q.text] for q in queries]])
        out = mask([pairs.entities[i] for i in chosen], queries)
        return losses[options.loss](head(mentions), head(types), out)

    def figures() -> dict[str, float]:
        return evaluate(head.eval()) if evaluate else {}

    history = run(head, optimizer, schedule, loss_at, loop, figures)
    return head.eval().requires_grad_(False), history


@lru_cache(maxsize=2)
def _order(n: int, epoch: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(n)


def batch_at(step: int, n: int, size: int, seed: int) -> NDArray[np.int64]:
    """The items of step ``step``: shuffled epochs of full batches, computed without state."""
    epoch, place = divmod(step, n // size)
    return _order(n, epoch, seed)[place * size : (place + 1) * size]


def _ranks(chosen: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.argsort(np.argsort(chosen)))
