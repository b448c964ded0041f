"""The recipe behind ``train labels``: tune an encoder's head to labels of many domains."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.kinds import kind_names
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.features import mention_features, type_features
from ner_retriever_rag.training.judgements import varied
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.own_types import with_head
from ner_retriever_rag.training.pairs import PairSampler
from ner_retriever_rag.training.sampling import sampling_weights, weighted_sample
from ner_retriever_rag.training.train_head import CachedPairs, read_pairs
from ner_retriever_rag.training.train_labels import (
    LabelledMentions,
    LabelOptions,
    averaged,
    labelled_contexts,
    tune_to_labels,
)
from ner_retriever_rag.training.tune import LinearMap, Rows

_SPAN_NOISE = 0.15  # probability that a mined mention is made one word too wide or too narrow
_MAPPED = 8_000  # mined mentions, and types, on which the map of stored vectors is fitted


def label_recipe(
    source: str | Path | None,
    mined: Mined,
    sets: Sequence[AnnotatedSet],
    *,
    pairs: int,
    seeds: int,
    options: LabelOptions,
    loop: LoopOptions,
    cache: Path | None = None,
) -> TypeAwareEncoder:
    """Tune a saved encoder's head to the labels of annotated texts.

    Prototypes, known names and the calibration's background, which are stored only as vectors, are
    carried over by a linear least-squares map; refit the calibration afterwards.

    Args:
        source: The encoder, as ``TypeAwareEncoder.from_pretrained`` accepts it.
        mined: Source of mined pairs.
        sets: Source of labels.
        pairs: Number of mined pairs to train on alongside the labels.
        seeds: Number of heads to average, each trained on its own sample of labeled mentions.
        options: Hyperparameters.
        loop: Steps and first seed.
        cache: Folder for cached features.

    Raises:
        ValueError: If the encoder has no head, or no label is used to teach types.
    """
    encoder = TypeAwareEncoder.from_pretrained(source)
    if encoder.head is None:
        raise ValueError(f"{source} holds an encoder without a head: there is nothing to tune")
    cached = _mined(encoder, mined, pairs, random.Random(loop.seed), cache)
    backbone = encoder.source.load(encoder.taps)
    kinds = type_features(backbone, kind_names(), cache, encoder.pooling)
    mask = NegativeMask(mined.hierarchy)
    heads = []
    for seed in range(loop.seed, loop.seed + seeds):
        folder = loop.folder and loop.folder / f"seed-{seed}"
        of_seed = replace(loop, seed=seed, folder=folder)
        labelled = _labelled(encoder, sets, options, random.Random(seed), cache)
        heads.append(tune_to_labels(encoder.head, labelled, cached, mask, kinds, options, of_seed))
    head = averaged(encoder.head, heads, options.interpolation)
    parts = [kinds, cached.mentions[:_MAPPED], cached.types[:_MAPPED]]
    move = LinearMap(Rows.from_features(np.concatenate(parts), encoder.head), head)
    return with_head(source, head, move)


def _labelled(
    encoder: TypeAwareEncoder,
    sets: Sequence[AnnotatedSet],
    options: LabelOptions,
    rng: random.Random,
    cache: Path | None,
) -> LabelledMentions:
    found = labelled_contexts(sets, options.characters, rng)
    if not found:
        raise ValueError("no mention has a usable label")
    labels = sorted({words for each in sets for words in each.names.values()})
    number = {words: n for n, words in enumerate(labels)}
    wordings = [
        list(dict.fromkeys([words, *(varied(words, rng) for _ in range(options.variants))]))
        for words in labels
    ]
    backbone = encoder.source.load(encoder.taps)
    flat = [each for some in wordings for each in some]
    return LabelledMentions(
        mention_features(backbone, [c for _, _, c in found], cache, encoder.pooling),
        np.array([n for n, _, _ in found]),
        np.array([number[words] for _, words, _ in found]),
        np.array([[words in each.names.values() for words in labels] for each in sets]),
        type_features(backbone, flat, cache, encoder.pooling),
        np.cumsum([0, *map(len, wordings)]),
    )


def _mined(
    encoder: TypeAwareEncoder, mined: Mined, pairs: int, rng: random.Random, cache: Path | None
) -> CachedPairs:
    sampler = PairSampler(mined.hierarchy, rng, span_noise=_SPAN_NOISE)
    chosen = weighted_sample(mined.train, sampling_weights(mined.train), pairs, rng)
    backbone = encoder.source.load(encoder.taps)
    return read_pairs(backbone, chosen, sampler, cache, encoder.pooling)
