"""Train the span head on boundary sets and on the names found by mining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.span_head import SHAPES, SpanHead, Words
from ner_retriever_rag.training.annotated import AnnotatedSentence
from ner_retriever_rag.training.loop import History, LoopOptions, run
from ner_retriever_rag.training.train_head import batch_at

_ACROSS = 2  # target of a span that crosses a seam
_UNMARKED = 3  # target of a span that touches no mention in a partially annotated sentence


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """Hyperparameters of the span head and its training.

    Attributes:
        hidden: Hidden width.
        max_words: Maximum span length in words.
        batch: Sentences per step.
        learning_rate: Peak of a one-cycle schedule.
        lower_cased: Probability that a sentence is shown without its capitals.
        positive_weight: Loss weight of a mention relative to any other span.
        seam_weight: Loss weight of a span that crosses a seam.
        unmarked_weight: Loss weight of a span that touches no mention under partial annotation.
        upper_cased: Probability that a batch is shown in capitals.
    """

    hidden: int = 192
    max_words: int = 12
    batch: int = 64
    learning_rate: float = 2e-3
    lower_cased: float = 0.3
    positive_weight: float = 2.0
    seam_weight: float = 3.0
    unmarked_weight: float = 0.15
    upper_cased: float = 0.05


@dataclass(frozen=True, slots=True)
class EncodedSentence:
    """A sentence's words as the span head sees them, with the target of every span.

    Attributes:
        vectors: float16 ``(words, width)``.
        shapes: float32 ``(words, SHAPES)``.
        targets: int8 ``(words, max_words)``: 1 a mention, 0 none, 2 none and across a seam, 3
            unmarked under partial annotation, -1 unknown or beyond the sentence.
    """

    vectors: NDArray[np.float16]
    shapes: NDArray[np.float32]
    targets: NDArray[np.int8]


def read_sentences(
    backbone: Backbone, sentences: Sequence[AnnotatedSentence], max_words: int
) -> list[EncodedSentence]:
    """Run sentences through the backbone and compute the target of every span."""
    read = []
    texts = [s.text for s in sentences]
    progress = tqdm(backbone.read(texts), total=len(texts), desc="read sentences", unit="text")
    for sentence, states in zip(sentences, progress, strict=True):
        words = Words(sentence.text)
        if len(words) and len(states):
            tapped = torch.cat([states.taps[str(tap)] for tap in backbone.taps], dim=1)
            vectors = words.pool(states.offsets, tapped).half().numpy()
            read.append(EncodedSentence(vectors, words.shapes, targets(sentence, words, max_words)))
    return read


def targets(sentence: AnnotatedSentence, words: Words, max_words: int) -> NDArray[np.int8]:
    """The target of every span of a sentence; see :class:`EncodedSentence`."""
    n = len(words)
    target = np.zeros((n, max_words), dtype=np.int8)
    i, k = np.indices(target.shape)
    if sentence.partial:
        free = np.ones(n, dtype=bool)
        for start, end in sentence.mentions:
            first, last = _word_range(words, start, end)
            free[first : last + 1] = False
        capital, digit = words.shapes[:, :3].any(1), words.shapes[:, 4:6].any(1)
        telling = capital & (words.shapes[:, 7] == 0) | digit
        taken, seen = (np.concatenate([[0], np.cumsum(each)]) for each in (~free, telling))
        after = np.minimum(i + k + 1, n)
        untouched = taken[after] == taken[i]
        target[untouched] = np.where(seen[after] > seen[i], -1, _UNMARKED)[untouched]
    for start, end in sentence.unknown:
        first, last = _word_range(words, start, end)
        target[(i <= last) & (i + k >= first)] = -1
    for seam in sentence.seams:
        after = int(np.searchsorted(words.starts, seam))
        target[(i < after) & (i + k >= after)] = _ACROSS
    target[i + k >= n] = -1
    for start, end in sentence.mentions:
        first, last = _word_range(words, start, end)
        if last - first < max_words:
            target[first, last - first] = 1
    return target


def _word_range(words: Words, start: int, end: int) -> tuple[int, int]:
    first = int(np.searchsorted(words.ends, start, side="right"))
    last = int(np.searchsorted(words.starts, end, side="left")) - 1
    return min(first, len(words) - 1), max(last, first)


def collate(batch: Sequence[EncodedSentence]) -> tuple[Tensor, Tensor, Tensor]:
    """Pad sentences to the longest: vectors, shapes and targets (-1 for padding)."""
    longest = max(len(s.vectors) for s in batch)
    vectors = torch.zeros(len(batch), longest, batch[0].vectors.shape[1])
    shapes = torch.zeros(len(batch), longest, SHAPES)
    target = torch.full((len(batch), longest, batch[0].targets.shape[1]), -1, dtype=torch.int8)
    for row, sentence in enumerate(batch):
        n = len(sentence.vectors)
        vectors[row, :n] = torch.from_numpy(sentence.vectors)
        shapes[row, :n] = torch.from_numpy(sentence.shapes)
        target[row, :n] = torch.from_numpy(sentence.targets)
    return vectors, shapes, target


def without_capitals(shapes: Tensor) -> Tensor:
    """Word shapes as in lower-cased text; an uncased backbone sees no difference."""
    lower = shapes.clone()
    lower[..., 3] = shapes[..., :4].amax(-1)
    lower[..., :3] = 0
    return lower


def all_capitals(shapes: Tensor) -> Tensor:
    """Word shapes as in all-caps text."""
    upper = shapes.clone()
    upper[..., 1] = shapes[..., :4].amax(-1)
    upper[..., 0] = upper[..., 2] = upper[..., 3] = 0
    return upper


def augment_case(shapes: Tensor, options: DetectorOptions) -> Tensor:
    """Word shapes of a batch, some sentences lower-cased; occasionally the whole batch all-caps."""
    lower = (torch.rand(len(shapes), 1, 1) < options.lower_cased).float()
    shapes = lower * without_capitals(shapes) + (1 - lower) * shapes
    return all_capitals(shapes) if torch.rand(()) < options.upper_cased else shapes


def span_loss(logits: Tensor, target: Tensor, options: DetectorOptions) -> Tensor:
    """Weighted binary cross-entropy summed over all spans, divided by the number of mentions.

    Args:
        logits: ``(batch, words, max_words)``.
        target: int8, the same shape; see :class:`EncodedSentence`.
        options: Loss weights.
    """
    known = target >= 0
    mention = (target[known] == 1).float()
    weight = 1 + (options.seam_weight - 1) * (target[known] == _ACROSS).float()
    weight[target[known] == _UNMARKED] = options.unmarked_weight
    each = functional.binary_cross_entropy_with_logits(
        logits[known], mention, weight=weight, reduction="none",
        pos_weight=torch.tensor(options.positive_weight),
    )  # fmt: skip
    return each.sum() / mention.sum().clamp(min=1)


def train_detector(
    taps: Sequence[str],
    sentences: Sequence[EncodedSentence],
    options: DetectorOptions,
    loop: LoopOptions,
    evaluate: Callable[[SpanHead], dict[str, float]] | None = None,
) -> tuple[SpanHead, History]:
    """Train a span head.

    Args:
        taps: Taps at which ``sentences`` were read.
        sentences: Output of :func:`read_sentences`.
        options: Sizes and learning rates.
        loop: Steps, seed, checkpoints.
        evaluate: Computes metrics of a head to record during training.

    Raises:
        ValueError: If there are no sentences.
    """
    if not sentences:
        raise ValueError("there is no sentence to train on")
    size = min(options.batch, len(sentences))
    torch.manual_seed(loop.seed)
    width = sentences[0].vectors.shape[1]
    head = SpanHead(taps, width, hidden=options.hidden, max_words=options.max_words)
    optimizer = torch.optim.AdamW(head.parameters(), options.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=loop.steps + 1, pct_start=0.1
    )
    # Batches group sentences of similar length to minimize padding.
    by_length = np.argsort([len(s.vectors) for s in sentences], kind="stable")
    groups = [by_length[i : i + size] for i in range(0, len(by_length) - size + 1, size)]

    def loss_at(step: int) -> Tensor:
        head.train()
        group = groups[int(batch_at(step, len(groups), 1, loop.seed)[0])]
        vectors, shapes, target = collate([sentences[i] for i in group])
        return span_loss(head(vectors, augment_case(shapes, options)), target, options)

    history = run(
        head, optimizer, schedule, loss_at, loop, lambda: evaluate(head.eval()) if evaluate else {}
    )
    return head.eval().requires_grad_(False), history
