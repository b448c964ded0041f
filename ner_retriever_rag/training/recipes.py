"""The recipes behind the shipped weights: each step goes from files to files, with one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.checkpoints import find_checkpoint
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.prototypes import Prototypes
from ner_retriever_rag.encoder.saved import ADAPTATION
from ner_retriever_rag.encoder.span_head import SpanHead
from ner_retriever_rag.evaluation.metrics import BoundaryMetrics, boundary_metrics
from ner_retriever_rag.training.adapt import AdaptOptions, adapt
from ner_retriever_rag.training.annotated import AnnotatedSentence, join_pairs, read_annotated
from ner_retriever_rag.training.annotated_sets import AnnotatedSet, lay_out, sample_passages
from ner_retriever_rag.training.calibrate import CalibrationReport, fit_calibration
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.development import DevelopmentTask
from ner_retriever_rag.training.features import mention_features, project, type_features
from ner_retriever_rag.training.loop import History, LoopOptions
from ner_retriever_rag.training.lowrank import Adaptation
from ner_retriever_rag.training.mined import MentionContext, MinedEntity
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.pairs import PairSampler, samplers
from ner_retriever_rag.training.people import people_lists
from ner_retriever_rag.training.sampling import sampling_weights, weighted_sample
from ner_retriever_rag.training.train_detector import (
    DetectorOptions,
    read_sentences,
    train_detector,
)
from ner_retriever_rag.training.train_head import HeadOptions, read_pairs, train_head

_PEOPLE_LISTS = 1_500


def head_recipe(
    backbone: Backbone,
    mined: Mined,
    *,
    pairs: int,
    epochs: float,
    options: HeadOptions,
    loop: LoopOptions,
    cache: Path | None = None,
    development: DevelopmentTask | None = None,
) -> tuple[ProjectionHead, History]:
    """Train a head on a frozen (or already adapted) backbone.

    Args:
        backbone: Provides the taps that the head will read.
        mined: Source of the pairs.
        pairs: Number of entities, with one context each.
        epochs: Passes over the pairs.
        options: Hyperparameters of the head.
        loop: Its ``steps`` are overridden by ``epochs``.
        cache: Folder for cached features.
        development: Task to evaluate on during training.
    """
    rng = random.Random(loop.seed)
    sampler = PairSampler(mined.hierarchy, rng)
    if not options.grains:
        sampler = PairSampler(mined.hierarchy, rng, shorter=0.0, broader=0.0, plurals=0.0)
    chosen = weighted_sample(mined.train, sampling_weights(mined.train), pairs, rng)
    cached = read_pairs(backbone, chosen, sampler, cache, options.pooling)
    steps = max(1, round(epochs * len(chosen) / options.batch))
    score = None
    if development is not None:
        dev_queries = list(development.queries.values())
        dev_mentions = mention_features(backbone, development.contexts, cache, options.pooling)
        dev_types = type_features(backbone, dev_queries, cache, options.pooling)

        def score(head: ProjectionHead) -> dict[str, float]:
            found = development.r_precision(project(head, dev_mentions), project(head, dev_types))
            return {"development R-Precision": float(np.mean(list(found.values())))}

    loop = replace(loop, steps=steps, evaluate_every=max(1, steps // 4))
    return train_head(cached, NegativeMask(mined.hierarchy), options, loop, score)


def adapt_recipe(
    backbone: str | Path,
    taps: str,
    mined: Mined,
    *,
    options: AdaptOptions,
    loop: LoopOptions,
    development: DevelopmentTask | None = None,
    start: Path | None = None,
) -> tuple[Adaptation, History]:
    """Train deltas (low-rank or full-rank) together with a head.

    Args:
        backbone: Folder or name of the backbone.
        taps: Taps that the head reads; the top layer must be among them.
        mined: Source of the pairs.
        options: Hyperparameters of the deltas and the head.
        loop: Steps, seed, checkpoints.
        development: Task to evaluate on during training.
        start: Folder of an encoder to continue from; None starts from zero deltas.

    Raises:
        ValueError: If weights are to be interpolated but the deltas are low-rank.
    """
    if options.interpolation < 1 and options.rank:
        raise ValueError(
            "interpolation below 1 needs full deltas (rank 0): low-rank factors cannot be averaged"
        )
    torch.manual_seed(loop.seed)
    # Eager attention: on a CPU, its backward pass is faster than fused attention's on short
    # sentences. Frozen weights are bfloat16, twice as fast on CPUs that support it; trained
    # parameters are float32.
    frozen = Backbone(
        find_checkpoint(backbone),
        taps,
        dtype="auto",
        load_options={"attn_implementation": "eager"},
    )
    width = len(frozen.taps) * frozen.hidden_size
    head = ProjectionHead((width, *options.hidden, options.dim), dropout=options.dropout)
    adaptation = Adaptation(frozen, head, rank=options.rank, first_block=options.first_block)
    if start is not None:
        adaptation.load_deltas(start / ADAPTATION)
        head.load_state_dict(ProjectionHead.load(start).state_dict())
    before = adaptation.learned()

    def score() -> dict[str, float]:
        if development is None:
            return {}
        found = development.r_precision(
            adaptation.encode(development.contexts),
            adaptation.encode_types(list(development.queries.values())),
        )
        return {"development R-Precision": float(np.mean(list(found.values())))}

    history = adapt(
        adaptation,
        mined.train,
        sampling_weights(mined.train),
        samplers(mined, options.span_noise),
        NegativeMask(mined.hierarchy),
        options,
        loop,
        score,
    )
    if options.interpolation < 1:
        adaptation.turn_back(before, options.interpolation)
        history.append({"step": float(loop.steps), "share": options.interpolation, **score()})
    return adaptation, history


def detector_recipe(
    backbone: Backbone,
    boundaries: Sequence[Path],
    silver: Path | None,
    *,
    sets: Sequence[AnnotatedSet] = (),
    set_characters: int = 100_000,
    silver_sentences: int,
    people: Sequence[str] = (),
    epochs: float,
    options: DetectorOptions,
    loop: LoopOptions,
    development: Sequence[AnnotatedSentence] = (),
    per_text: float = 3.4,
) -> tuple[SpanHead, History, BoundaryMetrics | None]:
    """Train the span head and choose its threshold.

    Args:
        backbone: Provides the taps that the head will read.
        boundaries: Files of annotated sentences.
        silver: ``silver.jsonl.xz`` of a mined folder.
        sets: Annotated texts of many domains.
        set_characters: Approximate number of characters per set.
        silver_sentences: Maximum number of sentences taken from ``silver``.
        people: Names of people, to generate lists from.
        epochs: Passes over the sentences.
        options: Hyperparameters of the head.
        loop: Its ``steps`` are overridden by ``epochs``.
        development: Held-out annotated sentences on which the threshold is chosen.
        per_text: Mentions per sentence that the threshold should yield on ``development``.
    """
    rng = random.Random(loop.seed)
    marked = detector_sentences(
        boundaries, silver, sets, people, rng, characters=set_characters, silver=silver_sentences
    )
    sentences = read_sentences(backbone, marked, options.max_words)
    steps = max(1, round(epochs * len(sentences) / options.batch))
    loop = replace(loop, steps=steps, evaluate_every=max(1, steps // 4))
    taps = [str(tap) for tap in backbone.taps]
    head, history = train_detector(taps, sentences, options, loop)
    if not development:
        return head, history, None
    figures = choose_threshold(head, backbone, development, per_text)
    return head, history, figures


def detector_sentences(
    boundaries: Sequence[Path],
    names: Path | None,
    sets: Sequence[AnnotatedSet],
    people: Sequence[str],
    rng: random.Random,
    *,
    characters: int,
    silver: int,
) -> list[AnnotatedSentence]:
    """Training data of a detector: annotated and mined sentences, passages, lists of people.

    Args:
        boundaries: Files of annotated sentences.
        names: ``silver.jsonl.xz`` of a mined folder.
        sets: Annotated texts of many domains.
        people: Names of people, to generate lists from.
        rng: Random generator.
        characters: Approximate number of characters per set.
        silver: Maximum number of sentences taken from ``names``.
    """
    marked = [sentence for path in boundaries for sentence in read_annotated(path)]
    if names is not None:
        found = [s for s in read_annotated(names) if len(s.text) < 220]
        marked += rng.sample(found, min(silver, len(found)))
    marked = lay_out(join_pairs(marked, rng), rng)
    marked += [p for each in sets for p in sample_passages(each, characters, rng)]
    return marked + people_lists(people, _PEOPLE_LISTS, rng)


def choose_threshold(
    head: SpanHead, backbone: Backbone, sentences: Sequence[AnnotatedSentence], per_text: float
) -> BoundaryMetrics:
    """Set the head's threshold so that it finds about ``per_text`` mentions per sentence."""
    gold = [sentence.mentions for sentence in sentences]
    thresholds = np.arange(0.8, 0.04, -0.05)
    texts = [sentence.text for sentence in sentences]
    # A span is never dropped for a lower-scoring one, so one pass serves every threshold.
    mentions = head.mentions_of(texts, list(backbone.read(texts)), float(thresholds[-1]))
    best: BoundaryMetrics | None = None
    for threshold in thresholds:
        found = [
            [(m.start, m.end) for m in of_text if m.score >= threshold] for of_text in mentions
        ]
        figures = boundary_metrics(gold, found)
        if best is None or figures.per_text <= per_text:
            best, head.threshold = figures, round(float(threshold), 2)
    assert best is not None
    return best


def calibrate_recipe(
    backbone: Backbone,
    head: ProjectionHead,
    mined: Mined,
    *,
    mentions: int = 15_000,
    seed: int = 0,
    cache: Path | None = None,
    pooling: str = "mean",
    prototypes: Prototypes | None = None,
) -> tuple[Calibration, CalibrationReport]:
    """Fit the calibration on a random sample of mined mentions and all those of held-out types.

    Args:
        backbone: Reads the head's taps.
        head: The projection head.
        mined: Source of the mentions, including types held out from training.
        mentions: Size of the random sample.
        seed: Seed of the sample.
        cache: Folder for cached features.
        pooling: Pooling of the encoder.
        prototypes: Prototypes of the encoder, if it has any.
    """
    sample, drawn, contexts = sample_with_held_out(mined, mentions, seed)
    vectors = project(head, mention_features(backbone, contexts, cache, pooling))
    if prototypes is not None:
        vectors = prototypes.pull(vectors)

    def encode_types(descriptions: Sequence[str]) -> NDArray[np.float32]:
        return project(head, type_features(backbone, descriptions, pooling=pooling))

    return fit_calibration(
        sample,
        vectors,
        encode_types,
        mined.hierarchy,
        mined.held_out,
        drawn=drawn,
        seed=seed,
    )


def sample_with_held_out(
    mined: Mined, mentions: int, seed: int
) -> tuple[list[MinedEntity], int, list[MentionContext]]:
    """Draw mentions at random, and add all those of held-out head nouns; one of each entity.

    Args:
        mined: Source of the mentions.
        mentions: Size of the random sample.
        seed: Seed of the sample.

    Returns:
        The entities, how many of them, counted from the first, are the random sample, and one
        context of each.
    """
    rng = random.Random(seed)
    outside = [e for e in mined.every if e.elsewhere]
    sample = rng.sample(outside, min(mentions, len(outside)))
    drawn, known = len(sample), {id(entity) for entity in sample}
    sample += [e for e in outside if e.heads & mined.held_out and id(e) not in known]
    return sample, drawn, [e.sample_elsewhere(rng) for e in sample]


def report_fields(figures: BoundaryMetrics | CalibrationReport) -> list[tuple[str, object]]:
    """Field names and values of a report."""
    return list(asdict(figures).items())
