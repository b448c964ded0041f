"""Training the span head: on boundary sets, and on the names that mining found."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.span_head import SHAPES, SpanHead, Words
from ner_retriever_rag.evaluation.formats import TypedText, read_lines
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.loop import History, LoopOptions, run
from ner_retriever_rag.training.train_head import batch_at

# Words that may be capitalised without being part of a name, beside the first of a sentence.
_FUNCTION = set(
    "the a an of and or in on at for to by with from as is was he she it his her".split()
)


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """The span head and how it is trained.

    Attributes:
        hidden: Width inside.
        max_words: Longest span.
        batch: Sentences a step.
        learning_rate: Peak of a one-cycle schedule.
        lower_cased: How often a sentence is shown without its capitals.
        positive_weight: Of a mention's loss against any other span's.
    """

    hidden: int = 192
    max_words: int = 12
    batch: int = 64
    learning_rate: float = 2e-3
    lower_cased: float = 0.3
    positive_weight: float = 2.0


@dataclass(frozen=True, slots=True)
class MarkedSentence:
    """A sentence with its mentions, and with places where nobody knows.

    Attributes:
        text: The sentence.
        mentions: Character spans.
        unknown: Character spans; a span that overlaps one and is no mention is left out of the
            loss.
    """

    text: str
    mentions: tuple[Span, ...]
    unknown: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadSentence:
    """A sentence's words as the span head sees them, with the target of every span.

    Attributes:
        vectors: float16 ``(words, width)``.
        shapes: float32 ``(words, SHAPES)``.
        targets: int8 ``(words, max_words)``: 1 a mention, 0 none, -1 unknown or not there.
    """

    vectors: NDArray[np.float16]
    shapes: NDArray[np.float32]
    targets: NDArray[np.int8]


def read_marked(path: str | Path) -> list[MarkedSentence]:
    """Read ``{"text", "mentions": [{"start", "end"}]}`` lines, plain or compressed.

    Mentions with a ``seen`` count come from mining: they are known to be names, but not to be all
    the names of the sentence, nor the longest; other capitalised words, parts of them and
    lower-cased names as common as nouns are therefore unknown. Dates are no mentions, whoever says
    so; sums of money with a currency's sign are.
    """
    return [
        _silver(row) if row.seen else MarkedSentence(row.text, _spans(row))
        for row in read_lines(path)
    ]


_COMMON = 60  # found more often than this, a lower-cased title is a common noun


_DATE = re.compile(
    r"(?:(?:january|february|march|april|may|june|july|august|september|october|november|december|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|spring|summer|autumn|winter|century|early|mid|late|"
    r"the|of|and|to|bc|bce|ad|ce|\d{1,4}(?:s|st|nd|rd|th)?)\b[ ,\u2013-]*)+",
    re.IGNORECASE,
)
_MONEY = re.compile(r"[$€£¥₹] ?\d+(?:[.,]\d+)*(?: (?:thousand|million|billion|trillion)\b)?")


def _spans(row: TypedText) -> tuple[Span, ...]:
    """The spans of a row without dates, and with the sums of money of its text."""
    spans = ((start, end) for start, end, _ in row.mentions)
    kept = {span for span in spans if not _DATE.fullmatch(row.text, *span)}
    return tuple(sorted(kept | {m.span() for m in _MONEY.finditer(row.text)}))


def _silver(row: TypedText) -> MarkedSentence:
    text = row.text
    common = {
        (start, end)
        for (start, end, _), seen in zip(row.mentions, row.seen, strict=True)
        if text[start].islower() and seen > _COMMON
    }
    unknown = list(_spans(row))
    mentions = tuple(span for span in unknown if span not in common)
    words = Words(text)
    for i, (start, end) in enumerate(zip(words.starts.tolist(), words.ends.tolist(), strict=True)):
        word = text[start:end]
        if _DATE.fullmatch(word):
            continue
        opens = words.shapes[i, 7] > 0
        if word[0].isupper() and word.lower() not in _FUNCTION and not opens or word[0].isdigit():
            unknown.append((start, end))
    return MarkedSentence(text, mentions, tuple(unknown))


def joined(
    sentences: Sequence[MarkedSentence], rng: random.Random, share: float = 0.3
) -> list[MarkedSentence]:
    """Put some sentences together, two by two, so that no span learns to cross a full stop.

    Args:
        sentences: In any order.
        rng: Chooses which.
        share: Of the sentences, how many become part of a pair.
    """
    order = list(sentences)
    rng.shuffle(order)
    pairs = int(len(order) * share / 2)
    together = []
    for first, second in zip(order[:pairs], order[pairs : 2 * pairs], strict=True):
        shift = len(first.text) + 1
        moved = [
            tuple((start + shift, end + shift) for start, end in spans)
            for spans in (second.mentions, second.unknown)
        ]
        together.append(
            MarkedSentence(
                f"{first.text} {second.text}",
                first.mentions + moved[0],
                first.unknown + moved[1],
            )
        )
    return together + order[2 * pairs :]


def read_sentences(
    backbone: Backbone, sentences: Sequence[MarkedSentence], max_words: int
) -> list[ReadSentence]:
    """Run sentences through the backbone and mark every span of theirs."""
    read = []
    texts = [s.text for s in sentences]
    progress = tqdm(backbone.read(texts), total=len(texts), desc="read sentences", unit="text")
    for sentence, states in zip(sentences, progress, strict=True):
        words = Words(sentence.text)
        if len(words) and len(states):
            tapped = torch.cat([states.taps[str(tap)] for tap in backbone.taps], dim=1)
            vectors = words.pool(states.offsets, tapped).half().numpy()
            read.append(ReadSentence(vectors, words.shapes, targets(sentence, words, max_words)))
    return read


def targets(sentence: MarkedSentence, words: Words, max_words: int) -> NDArray[np.int8]:
    """What every span of a sentence is; see :class:`ReadSentence`."""
    n = len(words)
    target = np.zeros((n, max_words), dtype=np.int8)
    i, k = np.indices(target.shape)
    target[i + k >= n] = -1
    for start, end in sentence.unknown:
        first, last = _place(words, start, end)
        target[(i <= last) & (i + k >= first)] = -1
    for start, end in sentence.mentions:
        first, last = _place(words, start, end)
        if last - first < max_words:
            target[first, last - first] = 1
    return target


def _place(words: Words, start: int, end: int) -> tuple[int, int]:
    first = int(np.searchsorted(words.ends, start, side="right"))
    last = int(np.searchsorted(words.starts, end, side="left")) - 1
    return min(first, len(words) - 1), max(last, first)


def collate(batch: Sequence[ReadSentence]) -> tuple[Tensor, Tensor, Tensor]:
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
    """What the looks of words would be in lower-cased text; an uncased backbone sees no change."""
    lower = shapes.clone()
    lower[..., 3] = shapes[..., :4].amax(-1)
    lower[..., :3] = 0
    return lower


def train_detector(
    taps: Sequence[str],
    sentences: Sequence[ReadSentence],
    options: DetectorOptions,
    loop: LoopOptions,
    evaluate: Callable[[SpanHead], dict[str, float]] | None = None,
) -> tuple[SpanHead, History]:
    """Train a span head.

    Args:
        taps: What ``sentences`` were read at.
        sentences: From :func:`read_sentences`.
        options: Sizes and rates.
        loop: Steps, seed, checkpoints.
        evaluate: Figures of a head, noted on the way.

    Raises:
        ValueError: If there are fewer sentences than a batch.
    """
    if len(sentences) < options.batch:
        raise ValueError(f"{len(sentences)} sentences are fewer than one batch of {options.batch}")
    torch.manual_seed(loop.seed)
    width = sentences[0].vectors.shape[1]
    head = SpanHead(taps, width, hidden=options.hidden, max_words=options.max_words)
    optimizer = torch.optim.AdamW(head.parameters(), options.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=loop.steps + 1, pct_start=0.1
    )
    # Batches are cut from sentences of like length, so that little is padding.
    by_length = np.argsort([len(s.vectors) for s in sentences], kind="stable")
    groups = [
        by_length[i : i + options.batch]
        for i in range(0, len(by_length) - options.batch + 1, options.batch)
    ]

    def loss_at(step: int) -> Tensor:
        head.train()
        group = groups[int(batch_at(step, len(groups), 1, loop.seed)[0])]
        vectors, shapes, target = collate([sentences[i] for i in group])
        lower = (torch.rand(len(group), 1, 1) < options.lower_cased).float()
        shapes = lower * without_capitals(shapes) + (1 - lower) * shapes
        logits = head(vectors, shapes)
        known = target >= 0
        mention = target[known].float()
        each = functional.binary_cross_entropy_with_logits(
            logits[known], mention, reduction="none",
            pos_weight=torch.tensor(options.positive_weight),
        )  # fmt: skip
        return each.sum() / mention.sum().clamp(min=1)

    history = run(
        head, optimizer, schedule, loss_at, loop, lambda: evaluate(head.eval()) if evaluate else {}
    )
    return head.eval().requires_grad_(False), history
