"""One leg for all that reads the backbone: mined pairs, labels and boundaries, trained together.

It goes on from a saved encoder. Low-rank deltas of the backbone, the head and the span head learn
at the same time; at the end a part of the way is gone (WiSE-FT, arXiv 2109.01903), which keeps what
the encoder knew before. A pair model of the encoder judges as it did: what the backbone has gained
is taken off its deltas.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.adaptation import LORA_A, LORA_B
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.span_head import SHAPES, SpanHead, Words
from ner_retriever_rag.training.annotated import AnnotatedSentence
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.batches import BatchSampler
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.label_passages import LabelLoss, LabelPassages
from ner_retriever_rag.training.loop import LoopOptions, run
from ner_retriever_rag.training.losses import info_nce
from ner_retriever_rag.training.lowrank import Adaptation
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.pairs import PairSampler
from ner_retriever_rag.training.sampling import sampling_weights
from ner_retriever_rag.training.train_detector import (
    DetectorOptions,
    augment_case,
    span_loss,
    targets,
)
from ner_retriever_rag.training.train_labels import LabelOptions, averaged

_LONGEST = 900  # characters of a sentence
_WARMUP = 50  # steps


@dataclass(frozen=True, slots=True)
class JointOptions:
    """How all is trained together.

    Attributes:
        rank: Of the deltas.
        first_block: Blocks before this one stay as they are.
        pairs: Mined mentions a step.
        types: Mined descriptions a step.
        passages: Passages with labelled mentions a step.
        labels: Labels a step that no mention of it has.
        sentences: Sentences with marked spans a step.
        characters: Labelled text of each set.
        temperature: Of mined pairs; of labels ``LabelOptions`` says it.
        learning_rate: Of the deltas; rises, then falls to zero in a line.
        head_learning_rate: Of the head.
        detector_learning_rate: Of the span head.
        text_weight: Weight of ``1 - cosine`` to the text vector before.
        context_width: Characters of context kept around a mined mention.
        loose: How often a mined mention is taken a word too wide or too narrow.
        share: How far all goes from where it was to where training left it.
    """

    rank: int = 32
    first_block: int = 2
    pairs: int = 64
    types: int = 128
    passages: int = 24
    labels: int = 110
    sentences: int = 32
    characters: int = 150_000
    temperature: float = 0.05
    learning_rate: float = 5e-4
    head_learning_rate: float = 3e-4
    detector_learning_rate: float = 5e-4
    text_weight: float = 6.0
    context_width: int = 130
    loose: float = 0.15
    share: float = 0.3


@dataclass(frozen=True, slots=True)
class Joint:
    """What training left, a part of the way gone.

    Attributes:
        deltas: Of the backbone's linear layers, as ``add_deltas`` takes them.
        head: The projection head.
        detector: The span head.
        pair_model: Judges on the new backbone as the encoder's did on the old one.
    """

    deltas: dict[str, Tensor]
    head: ProjectionHead
    detector: SpanHead
    pair_model: PairModel | None


def train_joint(
    encoder: TypeAwareEncoder,
    mined: Mined,
    sets: Sequence[AnnotatedSet],
    sentences: Sequence[AnnotatedSentence],
    options: JointOptions,
    loop: LoopOptions,
) -> Joint:
    """Go on from an encoder; the same seed gives the same.

    Args:
        encoder: Where it begins; it stays as it is.
        mined: Where pairs come from.
        sets: Where labels come from.
        sentences: Where marked spans come from.
        options: Sizes and rates.
        loop: Steps, seed, checkpoints.

    Raises:
        ValueError: If the encoder has no head or finds mentions otherwise, or nothing may teach.
    """
    if encoder.head is None or not isinstance(encoder.detector, SpanHead):
        raise ValueError("joint training needs an encoder with a head and a span head of its own")
    torch.manual_seed(loop.seed)
    taps = [*encoder.all_taps, encoder.backbone.top]
    backbone = replace(encoder.source.eager(), dtype="auto").load(taps)
    head = deepcopy(encoder.head).train().requires_grad_(True)
    detector = deepcopy(encoder.detector).train().requires_grad_(True)
    adaptation = Adaptation(
        backbone, head, rank=options.rank, first_block=options.first_block, taps=encoder.taps
    )
    passages = LabelPassages(sets, options.characters, options.passages, loop.seed)
    labels = LabelOptions(temperature=0.07)
    losses = (
        PairLoss(adaptation, mined, options, loop.seed),
        LabelLoss(passages, adaptation, labels, options.labels),
        SpanLoss(adaptation, detector, sentences, options.sentences, loop.seed),
    )
    deltas = [each for layer in adaptation.layers.values() for each in layer.learned]
    optimizer = torch.optim.AdamW(
        [
            {"params": deltas, "lr": options.learning_rate, "weight_decay": 0.0},
            {"params": list(head.parameters()), "lr": options.head_learning_rate},
            {"params": list(detector.parameters()), "lr": options.detector_learning_rate},
        ]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / _WARMUP, (loop.steps - step) / loop.steps + 1e-3)
    )

    def loss_at(step: int) -> Tensor:
        head.train()
        detector.train()
        return torch.stack([loss(step) for loss in losses]).sum()

    both = nn.ModuleDict({"adaptation": adaptation, "detector": detector})
    run(both, optimizer, schedule, loss_at, loop)
    gone = {
        name + key: (value.detach() * (options.share if key == LORA_B else 1)).contiguous()
        for name, layer in adaptation.layers.items()
        for key, value in zip((LORA_A, LORA_B), layer.learned, strict=True)
    }
    return Joint(
        gone,
        averaged(encoder.head, [head], options.share),
        averaged(encoder.detector, [detector], options.share),
        encoder.pair_model and rebased(encoder.pair_model, gone),
    )


class PairLoss:
    """Mined mentions and their types, in-batch, and the text vector held where it was."""

    def __init__(
        self, adaptation: Adaptation, mined: Mined, options: JointOptions, seed: int
    ) -> None:
        phrases = sorted({entity.types[0] for entity in mined.train})

        def sampler(rng: random.Random) -> PairSampler:
            return PairSampler(
                mined.hierarchy,
                rng,
                alternatives=0.05,
                other_phrases=phrases,
                span_noise=options.loose,
            )

        self._adaptation, self._options = adaptation, options
        self._mask = NegativeMask(mined.hierarchy)
        self._drawer = BatchSampler(
            mined.train, sampling_weights(mined.train), sampler, adaptation.tokenize,
            batch=options.pairs, types=options.types, width=options.context_width, seed=seed,
        )  # fmt: skip

    def __call__(self, step: int) -> Tensor:
        """The loss of a step."""
        batch, every = self._drawer.at(step), 8
        target = self._adaptation.unadapted_text_vectors(batch.texts[::every])
        vectors, texts = self._adaptation.read(batch.texts, batch.spans)
        types = self._adaptation.read_types([query.text for query in batch.queries])
        out = self._mask(batch.entities, batch.queries)
        pairs = info_nce(vectors, types, out, temperature=self._options.temperature)
        drift = 1 - functional.cosine_similarity(texts[::every], target).mean()
        return pairs + self._options.text_weight * drift


class SpanLoss:
    """Marked spans, scored by a span head on what the backbone in training says of the words."""

    def __init__(
        self,
        adaptation: Adaptation,
        detector: SpanHead,
        sentences: Sequence[AnnotatedSentence],
        batch: int,
        seed: int,
    ) -> None:
        fit = [s for s in sentences if len(s.text) < _LONGEST and len(Words(s.text))]
        if not fit:
            raise ValueError("there is no sentence to train on")
        fit.sort(key=lambda sentence: len(sentence.text))  # so that little of a batch is padding
        size = min(batch, len(fit))
        self._groups = [fit[i : i + size] for i in range(0, len(fit) - size + 1, size)]
        self._adaptation, self._detector, self._seed = adaptation, detector, seed
        self._options = DetectorOptions()

    def __call__(self, step: int) -> Tensor:
        """The loss of a step."""
        epoch, place = divmod(step, len(self._groups))
        order = list(range(len(self._groups)))
        random.Random(f"{self._seed} spans {epoch}").shuffle(order)
        group = self._groups[order[place]]
        tokens = self._adaptation.tokenize([sentence.text for sentence in group])
        ids, mask = self._adaptation.padded(tokens)
        taps = self._adaptation.backbone.forward(ids, mask)
        words = [Words(sentence.text) for sentence in group]
        longest = max(map(len, words))
        inside = torch.zeros(len(group), longest, ids.shape[1])
        shapes = torch.zeros(len(group), longest, SHAPES)
        target = torch.full((len(group), longest, self._detector.max_words), -1, dtype=torch.int8)
        for row, (sentence, of_it) in enumerate(zip(group, words, strict=True)):
            word = of_it.of_tokens(tokens[row].offsets)
            real = np.flatnonzero(word >= 0)
            count = np.bincount(word[real], minlength=len(of_it))
            share = torch.from_numpy(1 / count[word[real]]).float()
            inside[row, word[real], real + self._adaptation.before] = share
            shapes[row, : len(of_it)] = torch.from_numpy(of_it.shapes)
            wanted = targets(sentence, of_it, self._detector.max_words)
            wanted[count == 0] = -1  # beyond what was read
            target[row, : len(of_it)] = torch.from_numpy(wanted)
        states = [taps[tap] for tap in self._detector.taps]
        vectors = torch.cat([(inside.to(each) @ each).float() for each in states], -1)
        logits = self._detector(vectors, augment_case(shapes, self._options))
        return span_loss(logits, target, self._options)


def rebased(pair_model: PairModel, deltas: Mapping[str, Tensor]) -> PairModel:
    """A pair model for a backbone with deltas, judging as it did on that without.

    Args:
        pair_model: Its own deltas are low-rank.
        deltas: Low-rank ones that the backbone was given; each is taken off in as many ranks more.
    """
    own = dict(pair_model.deltas)
    for down in (name for name in deltas if name.endswith(LORA_A)):
        up = down.removesuffix(LORA_A) + LORA_B
        if down in own:
            own[down] = torch.cat([own[down], deltas[down].to(own[down])])
            own[up] = torch.cat([own[up], -deltas[up].to(own[up])], dim=1)
        else:
            own[down], own[up] = deltas[down], -deltas[up]
    return PairModel({name: each.half().contiguous() for name, each in own.items()},
                     pair_model.weight, pair_model.bias)  # fmt: skip
