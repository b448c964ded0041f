"""Passages with labeled mentions, and the contrastive loss for training a backbone on them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ner_retriever_rag.training.annotated_sets import AnnotatedSet, passages_of
from ner_retriever_rag.training.judgements import varied
from ner_retriever_rag.training.lowrank import Adaptation, Span
from ner_retriever_rag.training.train_labels import LabelOptions, label_loss

_PASSAGES_PER_TEXT = 3
_BUCKET = 16  # batches sampled together and sorted by length
_EXTRA_MENTIONS = 5  # mentions of other labels taken from the same passage


@dataclass(frozen=True, slots=True)
class LabelledPassage:
    """A passage annotated under one guideline.

    Attributes:
        guideline: Index of the guideline.
        text: The passage.
        mentions: Maps the index of a label to its spans.
    """

    guideline: int
    text: str
    mentions: dict[int, list[tuple[int, int]]]


@dataclass
class LabelPassages:
    """Samples passages so that a rare label comes up as often as a frequent one.

    Attributes:
        sets: Annotated sets; labels without a name are ignored.
        characters: Approximate number of characters of text per set.
        batch: Passages per step.
        seed: Seed of all sampling.
    """

    sets: Sequence[AnnotatedSet]
    characters: int
    batch: int
    seed: int = 0
    labels: list[str] = field(init=False)
    passages: list[LabelledPassage] = field(init=False, default_factory=list)
    _places: dict[tuple[int, int], list[int]] = field(init=False)
    _drawn: dict[int, list[list[tuple[int, int]]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Split the texts into passages and index them by label.

        Raises:
            ValueError: If no mention has a label that is named in its set.
        """
        self.labels = sorted({words for each in self.sets for words in each.names.values()})
        number = {words: n for n, words in enumerate(self.labels)}
        places: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        rng = random.Random(self.seed)
        for guideline, each in enumerate(self.sets):
            room, texts = self.characters, list(each.texts)
            rng.shuffle(texts)
            for text in texts:
                pieces = passages_of(text)
                for piece in rng.sample(pieces, min(_PASSAGES_PER_TEXT, len(pieces))):
                    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
                    for start, end, label in piece.mentions:
                        if label in each.names:
                            found[number[each.names[label]]].append((start, end))
                    for label_number in found:
                        places[guideline, label_number].append(len(self.passages))
                    if found:
                        self.passages.append(LabelledPassage(guideline, piece.text, found))
                        room -= len(piece.text)
                if room <= 0:
                    break
        if not places:
            raise ValueError("no mention has a usable label")
        self._places = dict(places)

    @property
    def in_set(self) -> NDArray[np.bool_]:
        """Which labels each guideline has, bool ``(guidelines, labels)``."""
        return np.array(
            [[words in each.names.values() for words in self.labels] for each in self.sets]
        )

    def at(self, step: int) -> list[tuple[int, LabelledPassage]]:
        """The passages of a step, each with the label for which it was sampled."""
        chunk, place = divmod(step, _BUCKET)
        if chunk not in self._drawn:
            self._drawn.clear()
            self._drawn[chunk] = self._draw(random.Random(f"{self.seed} labels {chunk}"))
        return [(label, self.passages[n]) for label, n in self._drawn[chunk][place]]

    def _draw(self, rng: random.Random) -> list[list[tuple[int, int]]]:
        keys = list(self._places)
        sizes = np.bincount([guideline for guideline, _ in keys])
        weights = [float(sizes[guideline]) ** -0.5 for guideline, _ in keys]
        drawn = [
            (key[1], rng.choice(self._places[key]))
            for key in rng.choices(keys, weights, k=self.batch * _BUCKET)
        ]
        drawn.sort(key=lambda each: len(self.passages[each[1]].text))
        batches = [drawn[i : i + self.batch] for i in range(0, len(drawn), self.batch)]
        rng.shuffle(batches)
        return batches


class LabelLoss:
    """Symmetric contrastive loss between labeled mentions and labels.

    Each mention picks its label, and each label its mention among those of other labels.

    Args:
        passages: Source of the mentions.
        adaptation: The model to train; its initial label vectors tell which labels may mean the
            same.
        options: Temperature, and the cosines from which two labels may mean the same.
        others: Number of additional labels per step, which none of the step's mentions has.
    """

    def __init__(
        self, passages: LabelPassages, adaptation: Adaptation, options: LabelOptions, others: int
    ) -> None:
        self._passages, self._adaptation = passages, adaptation
        self._options, self._others = options, others
        own = adaptation.encode_types(passages.labels)
        self._near = own @ own.T
        self._in_set = passages.in_set

    def __call__(self, step: int) -> Tensor:
        """Return the loss of a step."""
        rng = random.Random(f"{self._passages.seed} label {step}")
        texts, spans, labels, sets = self._sample(step, rng)
        tokens = self._adaptation.tokenize(texts)
        read = [n for n, (row, _, end) in enumerate(spans) if _covers(tokens[row].offsets, end)]
        spans, labels, sets = [spans[n] for n in read], labels[read], sets[read]
        vectors, _ = self._adaptation.read(tokens, spans)
        columns = list(dict.fromkeys(labels.tolist()))
        others = sorted(set(range(len(self._passages.labels))) - set(columns))
        columns += rng.sample(others, min(len(others), self._others))
        place = {label: n for n, label in enumerate(columns)}
        own = np.array([place[label] for label in labels.tolist()])
        asked = self._adaptation.read_types(
            [varied(self._passages.labels[n], rng) for n in columns]
        )
        logits = vectors @ asked.T / self._options.temperature
        near, in_set = self._near[labels][:, columns], self._in_set[sets][:, columns]
        return label_loss(logits, own, near, in_set, self._options)

    def _sample(
        self, step: int, rng: random.Random
    ) -> tuple[list[str], list[Span], NDArray[np.int64], NDArray[np.int64]]:
        """The texts of a step, mentions in them, and the label and guideline of each mention."""
        texts, spans, labels, sets = [], [], [], []
        for row, (label, passage) in enumerate(self._passages.at(step)):
            texts.append(passage.text)
            others = [each for each in sorted(passage.mentions) if each != label]
            for each in [label, *others[:_EXTRA_MENTIONS]]:
                start, end = rng.choice(passage.mentions[each])
                spans.append((row, start, end))
                labels.append(each)
                sets.append(passage.guideline)
        return texts, spans, np.array(labels), np.array(sets)


def _covers(offsets: NDArray[np.int64], end: int) -> bool:
    """Whether the tokens of a text, possibly truncated, extend to character ``end``."""
    return bool(len(offsets)) and int(offsets[-1, 1]) >= end
