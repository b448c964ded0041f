"""Joint training of a backbone's deltas, the projection head and the span head, in one run.

Training continues from a saved encoder. Low-rank deltas to the backbone, the head and the span head
are trained on mined pairs, labels, annotated spans, hard negatives and paraphrases. The result is
interpolated with the initial weights (WiSE-FT, arXiv 2109.01903), to keep what the encoder knew
before. The pair model keeps its scores: the backbone's new deltas are subtracted from its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ner_retriever_rag.encoder.backbone.adaptation import LORA_A, LORA_B
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.training.annotated import AnnotatedSentence
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.deltas import added
from ner_retriever_rag.training.joint_losses import (
    HardNegativeLoss,
    PairLoss,
    ParaphraseLoss,
    SpanLoss,
    TextLoss,
)
from ner_retriever_rag.training.judgements import DefinitionSource, SenseSource
from ner_retriever_rag.training.label_passages import LabelLoss, LabelPassages
from ner_retriever_rag.training.loop import LoopOptions, run
from ner_retriever_rag.training.lowrank import Adaptation
from ner_retriever_rag.training.train_labels import LabelOptions, averaged
from ner_retriever_rag.training.wordnet import WordNet

_WARMUP = 50  # steps


@dataclass(frozen=True, slots=True)
class JointOptions:
    """Options of joint training.

    Attributes:
        rank: Rank of the deltas.
        first_block: First block that gets deltas; the ones before stay frozen.
        pairs: Mined mentions per step.
        types: Mined descriptions per step: one per mention; the rest serve only as negatives.
        passages: Passages with labeled mentions per step.
        labels: Additional labels per step, which none of the step's mentions has.
        sentences: Sentences with marked spans per step.
        texts: Texts per step whose text vectors are kept close to the teacher's.
        groups: Groups of hard negatives per step.
        senses: WordNet senses per step, two wordings of each.
        characters: Approximate number of characters of labeled text per set.
        temperature: Temperature of the loss of mined pairs.
        label_temperature: Temperature of the loss of labels.
        group_temperature: Temperature of the losses of hard negatives and of paraphrases.
        learning_rate: Peak learning rate of the deltas, with linear warmup and decay.
        head_learning_rate: Peak learning rate of the head.
        detector_learning_rate: Peak learning rate of the span head.
        text_weight: Weight of the distillation loss, ``1 - cosine`` to the teacher's text vectors.
        paraphrase_weight: Weight of the paraphrase loss.
        context_width: Characters of context kept around a mined mention.
        span_noise: Probability that a mined mention is made one word too wide or too narrow.
        interpolation: Interpolation between the initial weights (0) and the trained ones (1).
    """

    rank: int = 32
    first_block: int = 2
    pairs: int = 56
    types: int = 120
    passages: int = 20
    labels: int = 110
    sentences: int = 20
    texts: int = 16
    groups: int = 12
    senses: int = 64
    characters: int = 150_000
    temperature: float = 0.05
    label_temperature: float = 0.1
    group_temperature: float = 0.07
    learning_rate: float = 5e-4
    head_learning_rate: float = 3e-4
    detector_learning_rate: float = 5e-4
    text_weight: float = 12.0
    paraphrase_weight: float = 0.5
    context_width: int = 130
    span_noise: float = 0.15
    interpolation: float = 0.5


@dataclass(frozen=True, slots=True)
class JointData:
    """The training data of joint training.

    Attributes:
        mined: Mined pairs.
        sets: Annotated sets whose labels are learned.
        sentences: Sentences with marked spans.
        texts: Texts whose text vectors are kept close to the teacher's.
        teacher: Backbone that computes the target text vectors.
        sources: Sources of hard negatives, with their sampling weights.
        wordnet: Senses for paraphrases; None for none.
    """

    mined: Mined
    sets: Sequence[AnnotatedSet]
    sentences: Sequence[AnnotatedSentence]
    texts: Sequence[str]
    teacher: Backbone
    sources: Sequence[tuple[DefinitionSource | SenseSource, float]]
    wordnet: WordNet | None


@dataclass(frozen=True, slots=True)
class Joint:
    """The result of joint training, interpolated with the initial weights.

    Attributes:
        deltas: Deltas to the backbone's linear layers, for ``add_deltas``.
        head: The projection head.
        detector: The span head.
        pair_model: The encoder's pair model, rebased to score the same on the new backbone.
    """

    deltas: dict[str, Tensor]
    head: ProjectionHead
    detector: SpanHead
    pair_model: PairModel | None


def train_joint(
    encoder: TypeAwareEncoder, data: JointData, options: JointOptions, loop: LoopOptions
) -> Joint:
    """Continue training from an encoder; the same seed gives the same result.

    Args:
        encoder: The encoder to start from; not modified.
        data: Training data.
        options: Hyperparameters.
        loop: Steps, seed, checkpoints.

    Raises:
        ValueError: If the encoder has no head or no span head, or there is nothing to learn from.
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
    losses = _losses(adaptation, detector, data, options, loop.seed)
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
        return torch.stack([weight * loss(step) for loss, weight in losses]).sum()

    both = nn.ModuleDict({"adaptation": adaptation, "detector": detector})
    run(both, optimizer, schedule, loss_at, loop)
    share = options.interpolation
    trained = {
        name + key: (value.detach() * (share if key == LORA_B else 1)).contiguous()
        for name, layer in adaptation.layers.items()
        for key, value in zip((LORA_A, LORA_B), layer.learned, strict=True)
    }
    return Joint(
        trained,
        averaged(encoder.head, [head], share),
        averaged(encoder.detector, [detector], share),
        encoder.pair_model and rebased(encoder.pair_model, trained),
    )


def _losses(
    adaptation: Adaptation, detector: SpanHead, data: JointData, options: JointOptions, seed: int
) -> list[tuple[Callable[[int], Tensor], float]]:
    """The losses of a step, and their weights."""
    passages = LabelPassages(data.sets, options.characters, options.passages, seed)
    pairs = PairLoss(
        adaptation, data.mined, pairs=options.pairs, types=options.types,
        width=options.context_width, span_noise=options.span_noise,
        temperature=options.temperature, seed=seed,
    )  # fmt: skip
    labels = LabelOptions(temperature=options.label_temperature)
    hard = HardNegativeLoss(
        adaptation, data.sources,
        groups=options.groups, temperature=options.group_temperature, seed=seed,
    )  # fmt: skip
    losses: list[tuple[Callable[[int], Tensor], float]] = [
        (pairs, 1.0),
        (LabelLoss(passages, adaptation, labels, options.labels), 1.0),
        (SpanLoss(adaptation, detector, data.sentences, options.sentences, seed), 1.0),
        (hard, 1.0),
        (TextLoss(adaptation, data.teacher, data.texts, options.texts, seed), options.text_weight),
    ]
    if data.wordnet is not None:
        paraphrases = ParaphraseLoss(
            adaptation, data.wordnet,
            senses=options.senses, temperature=options.group_temperature, seed=seed,
        )  # fmt: skip
        losses.append((paraphrases, options.paraphrase_weight))
    return losses


def rebased(pair_model: PairModel, deltas: Mapping[str, Tensor]) -> PairModel:
    """Return a pair model that scores on a backbone with deltas as the given one does without.

    Args:
        pair_model: The pair model, whose own deltas are low-rank.
        deltas: Low-rank deltas that were added to the backbone. Each is subtracted again, which
            adds its rank to that of the pair model's own delta.
    """
    negative = {name: -each if name.endswith(LORA_B) else each for name, each in deltas.items()}
    return PairModel(added(pair_model.deltas, negative), pair_model.weight, pair_model.bias)
