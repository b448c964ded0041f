"""Tune a head to the labels of annotated texts of many domains, alongside mined pairs.

Labels of other domains teach kinds that definitions in an encyclopedia do not ("skill", "adverse
effect"). There are few of them, so a head overfits to them and forgets what it knew. Hence it is
trained on mined pairs too and regularized toward its initial vectors, heads trained on several
samples are averaged (model soups: Wortsman et al. 2022, arXiv 2203.05482), and the average is
interpolated with the original head (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.training.annotated_sets import AnnotatedSet, passages_of
from ner_retriever_rag.training.features import as_tensor, project
from ner_retriever_rag.training.loop import LoopOptions, run
from ner_retriever_rag.training.losses import info_nce
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.train_head import CachedPairs, batch_at

_MASKED = -1e4  # masks a logit out of the softmax

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """Hyperparameters for tuning a head to labels.

    Attributes:
        characters: Characters of text read per set.
        variants: Number of wordings sampled per label.
        batch: Labeled mentions per step.
        pairs: Mined pairs per step.
        learning_rate: Peak of a one-cycle schedule.
        temperature: Divides the cosines.
        keep: Weight of the term that keeps the vectors of kinds and mined mentions in place.
        alike: Cosine from which two labels of one guideline may mean the same.
        near: Cosine from which labels of two guidelines may mean the same.
        interpolation: Weight of the tuned head in the final interpolation.
    """

    characters: int = 22_000
    variants: int = 12
    batch: int = 384
    pairs: int = 512
    learning_rate: float = 5e-4
    temperature: float = 0.05
    keep: float = 5.0
    alike: float = 0.75
    near: float = 0.35
    interpolation: float = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class LabelledMentions:
    """Labeled mentions of many guidelines, and the wordings of their labels.

    Attributes:
        features: float16 ``(n, width)``, pooled taps of the mentions.
        sets: int64 ``(n,)``, the guideline of each mention.
        labels: int64 ``(n,)``, the label of each mention.
        in_set: bool ``(guidelines, labels)``, which labels a guideline has.
        wordings: float16 ``(m, width)``, pooled taps of all wordings, grouped by label.
        first: int64 ``(labels + 1,)``, start of each label's wordings; the first is the label
            itself.
    """

    features: NDArray[np.float16]
    sets: NDArray[np.int64]
    labels: NDArray[np.int64]
    in_set: NDArray[np.bool_]
    wordings: NDArray[np.float16]
    first: NDArray[np.int64]


def labelled_contexts(
    sets: Sequence[AnnotatedSet], characters: int, rng: random.Random
) -> list[tuple[int, str, MentionContext]]:
    """Mentions with labels to teach: the index of their set, the label's name, the context.

    Args:
        sets: Annotated texts.
        characters: Characters of text per set, taken as one passage per document.
        rng: Samples documents and passages.
    """
    found = []
    for number, each in enumerate(sets):
        room, order = characters, list(each.texts)
        rng.shuffle(order)
        for text in order:
            pieces = passages_of(text)
            piece = rng.choice(pieces) if pieces else text
            taught = [(a, b, label) for a, b, label in piece.mentions if label in each.names]
            for start, end, label in taught:
                context = MentionContext(piece.text, start, end)
                found.append((number, each.names[label], context))
            room -= len(piece.text) if taught else 0
            if room <= 0:
                break
    return found


def tune_to_labels(
    head: ProjectionHead,
    labelled: LabelledMentions,
    mined: CachedPairs,
    mask: NegativeMask,
    kinds: NDArray[np.float16],
    options: LabelOptions,
    loop: LoopOptions,
) -> ProjectionHead:
    """Train a copy of a head; deterministic for a given seed.

    Args:
        head: The head.
        labelled: What to learn.
        mined: Mined pairs to train on alongside.
        mask: Marks in-batch mined pairs that are not negatives.
        kinds: float16 ``(k, width)``, pooled taps of descriptions whose vectors should stay.
        options: Hyperparameters.
        loop: Steps, seed.
    """
    tuned = deepcopy(head).train().requires_grad_(True)
    optimizer = torch.optim.AdamW(tuned.parameters(), options.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=loop.steps + 1, pct_start=0.1
    )
    batches = _Batches(head, labelled, options)
    pairs_a_step = min(options.pairs, len(mined.entities))
    kinds_before = torch.from_numpy(project(head, kinds))
    mentions_before = torch.from_numpy(project(head, mined.mentions))

    def loss_at(step: int) -> Tensor:
        rng = random.Random(f"{loop.seed} {step}")
        chosen = batch_at(step, len(mined.entities), pairs_a_step, loop.seed)
        queries = [rng.choice(mined.queries[i]) for i in chosen]
        mentions = tuned(as_tensor(mined.mentions[chosen]))
        types = tuned(as_tensor(mined.types[[mined.rows[query.text] for query in queries]]))
        out = mask([mined.entities[i] for i in chosen], queries)
        pairs = info_nce(mentions, types, out, temperature=options.temperature)
        some = np.asarray(rng.sample(range(len(kinds)), min(len(kinds), options.batch)))
        drift = _drift(tuned(as_tensor(kinds[some])), kinds_before[some])
        drift = drift + _drift(mentions, mentions_before[chosen])
        return pairs + batches.loss(tuned, rng) + options.keep * drift

    run(tuned, optimizer, schedule, loss_at, replace(loop, evaluate_every=loop.steps))
    return tuned.eval().requires_grad_(False)


def label_loss(
    logits: Tensor,
    labels: NDArray[np.int64],
    near: NDArray[np.float32],
    in_set: NDArray[np.bool_],
    options: LabelOptions,
) -> Tensor:
    """Symmetric cross-entropy: a mention picks its label, a sampled label its mention.

    Args:
        logits: ``(n, m)``, mentions by labels.
        labels: ``(n,)``, the column of each mention's label.
        near: ``(n, m)``, cosines of that label to all labels.
        in_set: ``(n, m)``, whether a label belongs to the mention's guideline.
        options: Cosine thresholds from which labels may mean the same.
    """
    unknown = near >= np.where(in_set, options.alike, options.near)
    unknown[np.arange(len(labels)), labels] = False
    target = torch.from_numpy(labels)
    picked = functional.cross_entropy(
        logits.masked_fill(torch.from_numpy(unknown), _MASKED), target
    )
    same = torch.from_numpy(near[:, labels] >= options.near)
    same |= target[:, None] == target
    same &= ~torch.eye(len(labels), dtype=torch.bool)
    of_labels = logits[:, target].T.masked_fill(same, _MASKED)
    return (picked + functional.cross_entropy(of_labels, torch.arange(len(labels)))) / 2


def averaged(before: M, heads: Sequence[M], share: float) -> M:
    """Average heads, then interpolate with the original; ``share`` is the average's weight."""
    mean = deepcopy(before)
    weights = [dict(each.named_parameters()) for each in heads]
    with torch.no_grad():
        for name, value in mean.named_parameters():
            tuned = torch.stack([each[name] for each in weights]).mean(dim=0)
            value.copy_((1 - share) * value + share * tuned)
    return mean.eval().requires_grad_(False)


class _Batches:
    """Samples labeled mentions; a guideline weighs the square root of its number of labels."""

    def __init__(
        self, head: ProjectionHead, labelled: LabelledMentions, options: LabelOptions
    ) -> None:
        self.labelled, self.options = labelled, options
        own = project(head, labelled.wordings[labelled.first[:-1]])
        self.cosines = own @ own.T
        places: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for row, key in enumerate(
            zip(labelled.sets.tolist(), labelled.labels.tolist(), strict=True)
        ):
            places[key].append(row)
        self.places = list(places.values())
        sets = np.array([key[0] for key in places])
        self.weights = (1 / np.sqrt(np.bincount(sets)[sets])).tolist()

    def loss(self, head: ProjectionHead, rng: random.Random) -> Tensor:
        """The loss of one sampled batch; see :func:`label_loss`."""
        drawn = rng.choices(self.places, self.weights, k=self.options.batch)
        rows = np.array([rng.choice(of_it) for of_it in drawn])
        labels, sets = self.labelled.labels[rows], self.labelled.sets[rows]
        first = self.labelled.first.tolist()
        worded = [rng.randrange(a, b) for a, b in zip(first, first[1:], strict=False)]
        mentions = head(as_tensor(self.labelled.features[rows]))
        asked = head(as_tensor(self.labelled.wordings[worded]))
        logits = mentions @ asked.T / self.options.temperature
        in_set, near = self.labelled.in_set[sets], self.cosines[labels]
        return label_loss(logits, labels, near, in_set, self.options)


def _drift(now: Tensor, before: Tensor) -> Tensor:
    return (1 - (now * before).sum(dim=1)).mean()
