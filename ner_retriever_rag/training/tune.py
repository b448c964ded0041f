"""Tune a head to labeled types while preserving its vectors of everything else."""

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
"""Probabilities of mentions, given a type's vector and their cosines to it."""

_MASKED = -1e4  # masks a cosine out of the softmax


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """Hyperparameters for tuning a head.

    Attributes:
        epochs: Passes over the labeled mentions.
        least_steps: Minimum number of steps, however few mentions there are.
        keep: Weight of the term that keeps all other vectors in place.
        batch: Labeled mentions per step; as many kinds and other mentions.
        learning_rate: Peak of a one-cycle schedule.
        temperature: Divides the cosines.
        close: Cosine from which a kind counts as one of the types and may move with it.
        doubt: Probability from which a kind may fit a mention, so that it is not a negative.
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
    """Mentions or descriptions as encoded by the backbone and by the head to be tuned.

    Attributes:
        features: float16 ``(n, width)``, pooled taps.
        vectors: float32 ``(n, dim)``, L2-normalized.
    """

    features: NDArray[np.float16]
    vectors: NDArray[np.float32]

    @classmethod
    def from_features(cls, features: NDArray[np.float16], head: ProjectionHead) -> Rows:
        """Combine features with their projections by a head."""
        return cls(features, project(head, features))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, chosen: NDArray[np.bool_ | np.int64]) -> Rows:
        return Rows(self.features[chosen], self.vectors[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What the head is to learn.

    Attributes:
        descriptions: Descriptions of the types.
        types: The same, encoded.
        mentions: The labeled mentions.
        of: bool ``(mentions, types)``, the types of each mention; at least one.
    """

    descriptions: Sequence[str]
    types: Rows
    mentions: Rows
    of: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Preserved:
    """Vectors that are to stay in place.

    Attributes:
        kinds: Descriptions of all kinds.
        mentions: Mentions of all kinds.
    """

    kinds: Rows
    mentions: Rows

    def split(self, share: float, seed: int) -> tuple[Preserved, Preserved]:
        """Split at random into two parts, the second with ``share`` of both."""
        rng = np.random.default_rng(seed)
        in_second = [rng.permutation(len(r)) < share * len(r) for r in (self.kinds, self.mentions)]
        kinds, mentions = in_second
        return (
            Preserved(self.kinds[~kinds], self.mentions[~mentions]),
            Preserved(self.kinds[kinds], self.mentions[mentions]),
        )

    def excluding(self, types: Rows, close: float) -> Preserved:
        """The same without kinds whose cosine to one of ``types`` is ``close`` or more."""
        nearest = (self.kinds.vectors @ types.vectors.T).max(axis=1)
        return replace(self, kinds=self.kinds[nearest < close])


def tune(
    head: ProjectionHead,
    labelled: Labelled,
    kept: Preserved,
    score: Score,
    options: TuneOptions,
    loop: LoopOptions,
) -> ProjectionHead:
    """Train a copy of a head; deterministic for a given seed.

    A mention picks its types from all labeled types and from kinds that it is not of; a type picks
    its mentions from those of other types and from general mentions that it does not fit.

    Args:
        head: The head.
        labelled: What to learn.
        kept: What to preserve; none of its kinds is one of the types.
        score: Computes the encoder's probabilities.
        options: Hyperparameters.
        loop: Its ``steps`` are replaced by the number that ``options`` imply.
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


def answers_kept(kept: Preserved, head: ProjectionHead, best: int = 10) -> float:
    """Share of each kind's best mentions that are still among its best, averaged over kinds."""
    before = kept.kinds.vectors @ kept.mentions.vectors.T
    after = project(head, kept.kinds.features) @ project(head, kept.mentions.features).T
    old, new = (np.argsort(-each, axis=1, kind="stable")[:, :best] for each in (before, after))
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(old, new, strict=True)]))


class LinearMap:
    """Linear least-squares map to a tuned head's space, for data stored only as vectors.

    Args:
        rows: Data to fit the map on.
        head: The tuned head.
    """

    def __init__(self, rows: Rows, head: ProjectionHead) -> None:
        after = project(head, rows.features)
        # Ridge penalty toward the identity, for directions without data.
        ridge = 1e-3 * len(rows) / rows.vectors.shape[1] * np.eye(rows.vectors.shape[1])
        old = rows.vectors.T @ rows.vectors + ridge
        self.matrix = np.linalg.solve(old, rows.vectors.T @ after + ridge).astype(np.float32)

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 ``(n, dim)``, L2-normalized."""
        there = vectors @ self.matrix
        unit: NDArray[np.float32] = there / np.linalg.norm(there, axis=1, keepdims=True)
        return unit

    def cosine(self, rows: Rows, head: ProjectionHead) -> float:
        """Mean cosine between the mapped ``rows`` and the head's own vectors of them."""
        there = self(rows.vectors) * project(head, rows.features)
        return float(there.sum(axis=1).mean())


class _Batches:
    """Samples batches, depending only on torch's seed, which the loop sets for each step."""

    def __init__(
        self, labelled: Labelled, kept: Preserved, score: Score, options: TuneOptions
    ) -> None:
        self.labelled, self.kept, self.options = labelled, kept, options
        types, mentions = labelled.types.vectors, labelled.mentions.vectors
        self.of = torch.tensor(labelled.of)
        alike = types @ kept.kinds.vectors.T >= options.close
        fits = _fits(score, kept.kinds.vectors, mentions, options.doubt)
        self.may_be = torch.tensor(fits | ((labelled.of @ alike.astype(np.float32)) > 0))
        self.may_be_type = torch.tensor(_fits(score, types, kept.mentions.vectors, options.doubt))
        # Rare types are oversampled.
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
        no_kinds = (mentions @ kinds.T).masked_fill(self.may_be[chosen][:, which_kinds], _MASKED)
        no_types = (types @ others.T).masked_fill(self.may_be_type[which_others].T, _MASKED)
        return (
            self._picked(cosines, no_kinds, of)
            + self._picked(cosines.T, no_types, of.T)
            + self.options.keep * (kinds_stay + others_stay)
        )

    def _stay(self, rows: Rows, head: ProjectionHead) -> tuple[Tensor, Tensor, Tensor]:
        """Some rows as the head encodes them now, how far they have moved, and their indices."""
        which = torch.randint(0, len(rows), (min(self.options.batch, len(rows)),))
        now = head(_features(rows, which))
        before = torch.from_numpy(rows.vectors[which.numpy()])
        return now, (1 - (now * before).sum(dim=1)).mean(), which

    def _picked(self, cosines: Tensor, wrong: Tensor, right: Tensor) -> Tensor:
        """Cross-entropy of each correct entry of a row against the row's incorrect ones.

        Args:
            cosines: ``(n, m)``.
            wrong: ``(n, k)``, cosines of further incorrect entries.
            right: bool ``(n, m)``, which entries are correct.
        """
        all_wrong = torch.cat([cosines.masked_fill(right, _MASKED), wrong], dim=1)
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
