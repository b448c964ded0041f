"""Train the pair model: low-rank deltas to the backbone that it shares."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.adaptation import add_deltas
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.pair_model import PairModel, PairTokens
from ner_retriever_rag.reading.passage import Passage
from ner_retriever_rag.training.deltas import adapted_layers, added
from ner_retriever_rag.training.judgements import Judgements
from ner_retriever_rag.training.loop import History, LoopOptions, run

_MICRO_BATCH = 32  # pairs of similar length per forward pass


@dataclass(frozen=True, slots=True)
class PairOptions:
    """Hyperparameters of the pair model's training.

    Attributes:
        batch: Groups of pairs per step.
        rank: Rank of the deltas to the backbone's linear layers.
        learning_rate: Learning rate of the deltas: linear warmup over ``warmup`` steps, then linear
            decay to zero.
        head_learning_rate: Learning rate of the last layer.
        warmup: Warmup steps.
        softmax_weight: Weight of the softmax loss per group, added to the binary loss per pair.
    """

    batch: int = 8
    rank: int = 32
    learning_rate: float = 7e-4
    head_learning_rate: float = 1e-3
    warmup: int = 100
    softmax_weight: float = 0.5


class TrainablePairModel(nn.Module):
    """A pair model in training.

    Args:
        backbone: Read up to its topmost residual stream; frozen, with deltas added in place.
        rank: Rank of the deltas.
        start: Pair model to continue from; None starts from the backbone.
    """

    def __init__(self, backbone: Backbone, rank: int, start: PairModel | None = None) -> None:
        super().__init__()
        self._backbone, self._tokens = backbone, PairTokens(backbone.tokenizer)
        self._start = start
        self.model: nn.Module = backbone.model
        if start is not None:
            add_deltas(self.model, start.deltas)
        self.layers = adapted_layers(self.model, rank)
        self.judge = nn.Linear(backbone.hidden_size, 1)
        if start is not None:
            self.judge.load_state_dict({"weight": start.weight, "bias": start.bias})

    def forward(self, groups: Sequence[Judgements]) -> tuple[Tensor, Tensor]:
        """Logits of all pairs of some groups, and the index of each pair's group."""
        pairs = [
            (said, Passage(context.text, context.start, context.end))
            for group in groups
            for said, context in group.pairs
        ]
        of = torch.tensor([n for n, group in enumerate(groups) for _ in group.pairs])
        lengths = [len(said) + len(passage.text) for said, passage in pairs]
        order = torch.tensor(lengths).argsort()
        logits = []
        for start in range(0, len(pairs), _MICRO_BATCH):
            some = order[start : start + _MICRO_BATCH].tolist()
            ids, mask, at = self._tokens([pairs[n] for n in some])
            top = self._backbone.forward(ids, mask)[self._backbone.top]
            logits.append(self.judge(top[torch.arange(len(top)), at].float())[:, 0])
        return torch.cat(logits)[order.argsort()], of

    def learned(self) -> PairModel:
        """The pair model as trained so far."""
        deltas = {k: v for n, layer in self.layers.items() for k, v in layer.saved(n).items()}
        if self._start is not None:
            deltas = added(self._start.deltas, deltas)
        return PairModel(deltas, self.judge.weight.detach(), self.judge.bias.detach())


def train_pair_model(
    backbone: Backbone,
    draw: Callable[[random.Random], Judgements],
    options: PairOptions,
    loop: LoopOptions,
    evaluate: Callable[[TrainablePairModel], dict[str, float]] | None = None,
    start: PairModel | None = None,
) -> tuple[PairModel, History]:
    """Train a pair model, initialized from the backbone or from another one.

    Args:
        backbone: Read up to its topmost residual stream.
        draw: Samples a group of judged pairs.
        options: Hyperparameters.
        loop: Steps, seed, checkpoints.
        evaluate: Computes metrics of a model to record during training.
        start: Pair model to continue from, with new deltas beside its own.
    """
    torch.manual_seed(loop.seed)
    model = TrainablePairModel(backbone, options.rank, start)
    deltas = [each for layer in model.layers.values() for each in layer.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in deltas if p.requires_grad], "lr": options.learning_rate},
            {"params": model.judge.parameters(), "lr": options.head_learning_rate},
        ],
        weight_decay=0.01,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / options.warmup, (loop.steps - step) / loop.steps + 1e-3),
    )

    def loss_at(step: int) -> Tensor:
        rng = random.Random(f"{loop.seed} {step}")
        groups = [draw(rng) for _ in range(options.batch)]
        logits, of = model.forward(groups)
        fits = torch.tensor([f for group in groups for f in group.fits])
        loss = functional.binary_cross_entropy_with_logits(logits, fits.float())
        chosen = logits.new_zeros(())
        for n in range(len(groups)):
            here, right = logits[of == n], fits[of == n]
            if right.any() and not right.all():
                chosen = chosen + torch.logsumexp(here, 0) - torch.logsumexp(here[right], 0)
        return loss + options.softmax_weight * chosen / len(groups)

    def figures() -> dict[str, float]:
        return evaluate(model) if evaluate else {}

    history = run(model, optimizer, schedule, loss_at, loop, figures)
    return model.learned(), history
