"""Training the pair model on the frozen, shared backbone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.pooling import token_ranges
from ner_retriever_rag.training.judgements import Judgements
from ner_retriever_rag.training.loop import History, LoopOptions, run

_BRIEF = 7  # tokens of a description


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How the pair model is trained.

    Attributes:
        batch: Mentions a step.
        learning_rate: Of the blocks; rises over ``warmup`` steps, then falls to zero in a line.
        head_learning_rate: Of the last layer and the marks.
        warmup: Steps.
        softmax_weight: Of choosing the fitting one among the descriptions of a mention, beside
            judging each.
    """

    batch: int = 12
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    warmup: int = 60
    softmax_weight: float = 0.5


def pair_logits(
    model: PairModel, backbone: Backbone, groups: Sequence[Judgements]
) -> tuple[Tensor, Tensor]:
    """The model's logits of all descriptions of some mentions, and which mention each is of.

    Args:
        model: The pair model.
        backbone: With its taps.
        groups: The mentions.
    """
    described = [d for group in groups for d in group.descriptions]
    unique = {d: row for row, d in enumerate(dict.fromkeys(described))}
    passages = list(backbone.read([group.context.text for group in groups]))
    words = list(backbone.read(list(unique)))
    inside = []
    for group, states in zip(groups, passages, strict=True):
        first, after = token_ranges(states.offsets, [(group.context.start, group.context.end)])
        here = torch.arange(len(states))
        inside.append((here >= int(first[0])) & (here < int(after[0])))
    rows = torch.tensor([unique[d] for d in described])
    of = torch.tensor([n for n, group in enumerate(groups) for _ in group.descriptions])
    read = [pad_sequence([p.taps[tap] for p in passages], batch_first=True) for tap in model.taps]
    marked = pad_sequence(inside, batch_first=True)
    real = _mask([len(p) for p in passages])
    lengths = torch.tensor([len(w) for w in words])
    logits = torch.zeros(len(described))
    brief = lengths[rows] <= _BRIEF
    for pairs in (brief.nonzero()[:, 0], (~brief).nonzero()[:, 0]):
        if len(pairs):  # long descriptions by themselves, so that little is padding
            said = [words[int(row)].taps[model.taps[0]] for row in rows[pairs]]
            padded = pad_sequence(said, batch_first=True)
            mask = _mask([len(each) for each in said])
            logits = logits.index_copy(0, pairs, model(read, marked, real, padded, mask, of[pairs]))
    return logits, of


def _mask(lengths: Sequence[int]) -> Tensor:
    return torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]


def train_pair_model(
    backbone: Backbone,
    draw: Callable[[random.Random], Judgements],
    layers: Sequence[nn.Module],
    options: PairOptions,
    loop: LoopOptions,
    evaluate: Callable[[PairModel], dict[str, float]] | None = None,
) -> tuple[PairModel, History]:
    """Train a pair model; its blocks begin as the backbone's own.

    Args:
        backbone: Frozen; its taps are the residual streams that the model's blocks read.
        draw: Draws what is judged.
        layers: The backbone's blocks that read these, to begin with.
        options: Rates.
        loop: Steps, seed, checkpoints.
        evaluate: Figures of a model, noted on the way.
    """
    torch.manual_seed(loop.seed)
    taps = [str(tap) for tap in backbone.taps]
    model = PairModel(taps, backbone.hidden_size)
    model.start_from(layers)
    slow = [p for n, p in model.named_parameters() if "marks" not in n and "judge" not in n]
    quick = [p for n, p in model.named_parameters() if "marks" in n or "judge" in n]
    optimizer = torch.optim.AdamW(
        [
            {"params": slow, "lr": options.learning_rate, "weight_decay": 0.01},
            {"params": quick, "lr": options.head_learning_rate, "weight_decay": 0.0},
        ]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / options.warmup, (loop.steps - step) / loop.steps + 1e-3),
    )

    def loss_at(step: int) -> Tensor:
        model.train()
        rng = random.Random(f"{loop.seed} {step}")
        groups = [draw(rng) for _ in range(options.batch)]
        logits, of = pair_logits(model, backbone, groups)
        fits = torch.tensor([f for group in groups for f in group.fits])
        loss = functional.binary_cross_entropy_with_logits(logits, fits.float())
        chosen = logits.new_zeros(())
        for n in range(len(groups)):
            here, right = logits[of == n], fits[of == n]
            if right.any() and not right.all():
                chosen = chosen + torch.logsumexp(here, 0) - torch.logsumexp(here[right], 0)
        return loss + options.softmax_weight * chosen / len(groups)

    def figures() -> dict[str, float]:
        return evaluate(model.eval()) if evaluate else {}

    history = run(model, optimizer, schedule, loss_at, loop, figures)
    return model.eval().requires_grad_(False), history
