"""Tuning a head to labelled types, while what it says of everything else stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.training.features import as_tensor, project
from ner_retriever_rag.training.loop import LoopOptions, run

Score = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""Probabilities of mentions, from a type's vector and their cosines to it."""

_OUT = -1e4  # a cosine that weighs nothing


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How a head is tuned.

    Attributes:
        epochs: Passes over the labelled mentions.
        least_steps: However few they are.
        keep: Weight of leaving everything else where it is.
        batch: Labelled mentions a step; as many kinds and other mentions.
        learning_rate: Peak of a one-cycle schedule.
        temperature: Divides the cosines.
        close: Cosine from which a kind counts as one of the types, and may move with it.
        doubt: Probability from which a kind may fit a mention, so that it is no negative.
    """

    epochs: float = 10.0
    least_steps: int = 200
    keep: float = 100.0
    batch: int = 256
    learning_rate: float = 1e-3
    temperature: float = 0.05
    close: float = 0.5
    doubt: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Mentions or descriptions, as the backbone and as the head to be tuned sees them.

    Attributes:
        features: float16 ``(n, width)``, pooled taps.
        vectors: float32 ``(n, dim)``, L2-normalised.
    """

    features: NDArray[np.float16]
    vectors: NDArray[np.float32]

    @classmethod
    def seen(cls, features: NDArray[np.float16], head: ProjectionHead) -> Rows:
        """Put features and what a head makes of them together."""
        return cls(features, project(head, features))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, chosen: NDArray[np.bool_ | np.int64]) -> Rows:
        return Rows(self.features[chosen], self.vectors[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What is to be learned.

    Attributes:
        descriptions: Of the types.
        types: The same, as they are seen.
        mentions: Labelled ones.
        of: bool ``(mentions, types)``, which types a mention is of; one at least.
    """

    descriptions: Sequence[str]
    types: Rows
    mentions: Rows
    of: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is to stay where it is.

    Attributes:
        kinds: Descriptions of all kinds.
        mentions: Mentions of all kinds.
    """

    kinds: Rows
    mentions: Rows

    def parted(self, share: float, seed: int) -> tuple[Kept, Kept]:
        """Two parts of it, the second with ``share`` of both."""
        rng = np.random.default_rng(seed)
        in_second = [rng.permutation(len(r)) < share * len(r) for r in (self.kinds, self.mentions)]
        kinds, mentions = in_second
        return (
            Kept(self.kinds[~kinds], self.mentions[~mentions]),
            Kept(self.kinds[kinds], self.mentions[mentions]),
        )

    def without(self, types: Rows, close: float) -> Kept:
        """The same but for kinds whose cosine to one of ``types`` is ``close`` or more."""
        nearest = (self.kinds.vectors @ types.vectors.T).max(axis=1)
        return replace(self, kinds=self.kinds[nearest < close])


def tune(
    head: ProjectionHead,
    labelled: Labelled,
    kept: Kept,
    score: Score,
    options: TuneOptions,
    loop: LoopOptions,
) -> ProjectionHead:
    """Train a copy of a head; the same seed gives the same one.

    A mention is to pick its types among all those labelled and kinds that it is not of; a type its
    mentions among those of other types, and mentions of all kinds that it does not fit.

    Args:
        head: The head.
        labelled: What is to be learned.
        kept: What is to stay; its kinds are none of the types.
        score: The encoder's probabilities.
        options: How to train.
        loop: Its ``steps`` are replaced by what ``options`` come to.
    """
    batches = _Batches(labelled, kept, score, options)
    steps = max(options.least_steps, round(options.epochs * len(labelled.mentions) / batches.size))
    tuned = deepcopy(head).train().requires_grad_(True)
    optimizer = torch.optim.AdamW(tuned.parameters(), options.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=steps + 1, pct_start=0.1
    )
    loop = replace(loop, steps=steps, evaluate_every=steps)
    run(tuned, optimizer, schedule, lambda step: batches.loss(tuned), loop)
    return tuned.eval().requires_grad_(False)


def answers_kept(kept: Kept, head: ProjectionHead, best: int = 10) -> float:
    """Of each kind's best mentions, the share that still are among its best; the mean of kinds."""
    before = kept.kinds.vectors @ kept.mentions.vectors.T
    after = project(head, kept.kinds.features) @ project(head, kept.mentions.features).T
    old, new = (np.argsort(-each, axis=1, kind="stable")[:, :best] for each in (before, after))
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(old, new, strict=True)]))


class Moved:
    """Where a tuned head puts what is kept as vectors alone: the nearest linear map.

    Args:
        rows: What it is fitted on.
        head: The tuned head.
    """

    def __init__(self, rows: Rows, head: ProjectionHead) -> None:
        after = project(head, rows.features)
        # A little of leaving things as they are, for directions in which nothing lies.
        ridge = 1e-3 * len(rows) / rows.vectors.shape[1] * np.eye(rows.vectors.shape[1])
        old = rows.vectors.T @ rows.vectors + ridge
        self.matrix = np.linalg.solve(old, rows.vectors.T @ after + ridge).astype(np.float32)

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 ``(n, dim)``, L2-normalised."""
        there = vectors @ self.matrix
        unit: NDArray[np.float32] = there / np.linalg.norm(there, axis=1, keepdims=True)
        return unit

    def cosine(self, rows: Rows, head: ProjectionHead) -> float:
        """How near it comes to where the head puts ``rows``, in the mean."""
        there = self(rows.vectors) * project(head, rows.features)
        return float(there.sum(axis=1).mean())


class _Batches:
    """Draws batches; which, depends on torch's seed alone, which the loop sets for each step."""

    def __init__(self, labelled: Labelled, kept: Kept, score: Score, options: TuneOptions) -> None:
        self.labelled, self.kept, self.options = labelled, kept, options
        types, mentions = labelled.types.vectors, labelled.mentions.vectors
        self.of = torch.tensor(labelled.of)
        alike = types @ kept.kinds.vectors.T >= options.close
        fits = _fits(score, kept.kinds.vectors, mentions, options.doubt)
        self.may_be = torch.tensor(fits | ((labelled.of @ alike.astype(np.float32)) > 0))
        self.may_be_type = torch.tensor(_fits(score, types, kept.mentions.vectors, options.doubt))
        # Rare types come more often than they are.
        rarity = 1 / np.sqrt(np.maximum(labelled.of.sum(axis=0), 1))
        self.weights = torch.tensor(np.where(labelled.of, rarity, 0.0).max(axis=1))
        self.size = min(options.batch, len(mentions))

    def loss(self, head: ProjectionHead) -> Tensor:
        """The loss of one batch."""
        chosen = torch.multinomial(self.weights, self.size, replacement=True)
        types = head(_features(self.labelled.types))
        mentions = head(_features(self.labelled.mentions, chosen))
        kinds, kinds_stay, which_kinds = self._stay(self.kept.kinds, head)
        others, others_stay, which_others = self._stay(self.kept.mentions, head)
        cosines, of = mentions @ types.T, self.of[chosen]
        no_kinds = (mentions @ kinds.T).masked_fill(self.may_be[chosen][:, which_kinds], _OUT)
        no_types = (types @ others.T).masked_fill(self.may_be_type[which_others].T, _OUT)
        return (
            self._picked(cosines, no_kinds, of)
            + self._picked(cosines.T, no_types, of.T)
            + self.options.keep * (kinds_stay + others_stay)
        )

    def _stay(self, rows: Rows, head: ProjectionHead) -> tuple[Tensor, Tensor, Tensor]:
        """Some rows as the head sees them now, how far they have gone, and which they are."""
        which = torch.randint(0, len(rows), (min(self.options.batch, len(rows)),))
        now = head(_features(rows, which))
        before = torch.from_numpy(rows.vectors[which.numpy()])
        return now, (1 - (now * before).sum(dim=1)).mean(), which

    def _picked(self, cosines: Tensor, wrong: Tensor, right: Tensor) -> Tensor:
        """Cross-entropy of each right one of a row against the row's wrong ones, row by row.

        Args:
            cosines: ``(n, m)``.
            wrong: ``(n, k)``, of more wrong ones.
            right: bool ``(n, m)``.
        """
        all_wrong = torch.cat([cosines.masked_fill(right, _OUT), wrong], dim=1)
        against = torch.logsumexp(all_wrong / self.options.temperature, dim=1, keepdim=True)
        each = functional.softplus(against - cosines / self.options.temperature) * right
        count = right.sum(dim=1)
        return (each.sum(dim=1) / count.clamp(min=1)).sum() / (count > 0).sum()


def _features(rows: Rows, chosen: Tensor | None = None) -> Tensor:
    features = rows.features if chosen is None else rows.features[chosen.numpy()]
    return as_tensor(features)


def _fits(
    score: Score, types: NDArray[np.float32], mentions: NDArray[np.float32], least: float
) -> NDArray[np.bool_]:
    """Which types may fit which mentions: bool ``(mentions, types)``."""
    fits = np.zeros((len(mentions), len(types)), dtype=bool)
    for column, vector in enumerate(types):
        fits[:, column] = score(vector, mentions @ vector) >= least
    return fits
