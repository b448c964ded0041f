"""Adapt a backbone: train deltas to its linear layers together with the projection head.

Only the deltas and the head are trained. A distillation term keeps the mean of the top layer close
to that of the unadapted backbone, so that the text vector of the same forward pass keeps its
meaning.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ner_retriever_rag.training.batches import BatchSampler
from ner_retriever_rag.training.loop import History, LoopOptions, run
from ner_retriever_rag.training.losses import info_nce
from ner_retriever_rag.training.lowrank import Adaptation
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.pairs import PairSampler


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """Hyperparameters of the deltas, the head, and their training.

    Attributes:
        rank: Rank of the deltas; 0 for full-rank ones.
        first_block: Blocks before this one stay frozen, and no gradient flows through them.
        hidden: Widths of the head's hidden layers; empty for a linear head.
        dim: Output width.
        dropout: Dropout in the head.
        temperature: Temperature of the in-batch loss.
        batch: Texts per step.
        types: Type descriptions per step: one per text; the rest serve only as negatives.
        learning_rate: Learning rate of the deltas: linear warmup over ``warmup`` steps, then linear
            decay to zero.
        head_learning_rate: Learning rate of the head.
        warmup: Warmup steps.
        text_weight: Weight of the distillation term, ``1 - cosine`` to the unadapted text vector.
        text_share: Share of a batch's contexts on which that term is computed.
        context_width: Characters of context kept around a mention.
        span_noise: Probability that a mention is made one word too wide or too narrow.
        interpolation: Interpolation between the initial weights (0) and the trained ones (1) after
            training. Interpolated weights generalize better (WiSE-FT, arXiv 2109.01903).
    """

    rank: int = 32
    first_block: int = 2
    hidden: tuple[int, ...] = ()
    dim: int = 128
    dropout: float = 0.0
    temperature: float = 0.05
    batch: int = 128
    types: int = 224
    learning_rate: float = 1e-3
    head_learning_rate: float = 2e-3
    warmup: int = 50
    text_weight: float = 4.0
    text_share: float = 0.34
    context_width: int = 130
    span_noise: float = 0.15
    interpolation: float = 1.0


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
        entities: Entities to sample pairs from.
        weights: Relative sampling weight of each entity; see ``sampling_weights``.
        sampler: Builds a pair sampler from a random generator.
        mask: Marks in-batch pairs that are not negatives.
        options: Sizes and learning rates.
        loop: Steps, seed, checkpoints.
        evaluate: Computes metrics to record during training.
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
    drawer = BatchSampler(
        entities,
        weights,
        sampler,
        adaptation.tokenize,
        batch=options.batch,
        types=options.types,
        width=options.context_width,
        seed=loop.seed,
    )

    def loss_at(step: int) -> Tensor:
        batch = drawer.at(step)
        adaptation.head.train()
        every = max(1, round(1 / options.text_share))
        target = adaptation.unadapted_text_vectors(batch.texts[::every])
        vectors, texts = adaptation.read(batch.texts, batch.spans)
        types = adaptation.read_types([query.text for query in batch.queries])
        out = mask(batch.entities, batch.queries)
        loss = info_nce(vectors, types, out, temperature=options.temperature)
        drift = 1 - functional.cosine_similarity(texts[::every], target).mean()
        return loss + options.text_weight * drift

    return run(adaptation, optimizer, schedule, loss_at, loop, evaluate)
