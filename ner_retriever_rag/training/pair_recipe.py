"""The recipe of the pair model: sources put together, the training run, figures on the way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.drawing import flattened
from ner_retriever_rag.training.guidelines import MarkedSet
from ner_retriever_rag.training.judgements import (
    DefinitionSource,
    Judgements,
    LabelSource,
    SenseSource,
)
from ner_retriever_rag.training.loop import History, LoopOptions
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.train_pair_model import PairOptions, pair_logits, train_pair_model
from ner_retriever_rag.training.wordnet import WordNet

DESCRIPTIONS = 8  # a mention is judged against so many
_PHRASES = 12_000  # mined types to take wrong ones from
_SENTENCES, _OF_A_SET = 30_000, 150  # running text for common nouns
_SHARES = (0.45, 0.38, 0.17)  # of labels, definitions, senses


def pair_model_recipe(
    encoder: TypeAwareEncoder,
    mined: Mined,
    sets: Sequence[MarkedSet],
    *,
    wordnet: str | Path,
    options: PairOptions,
    loop: LoopOptions,
    blocks: int = 2,
    development: Sequence[MarkedSet] = (),
) -> tuple[PairModel, History]:
    """Train a pair model on the last blocks of an encoder's backbone.

    Args:
        encoder: Its backbone is shared, its vectors say which descriptions are near.
        mined: Where definitions come from.
        sets: Where labels come from.
        wordnet: Folder of WordNet's noun files.
        options: Rates.
        loop: Steps, seed, checkpoints.
        blocks: How many blocks the pair model has.
        development: Sets on whose labels figures are taken on the way.
    """
    rng = random.Random(loop.seed)
    depth = encoder.source.load(encoder.all_taps).block_count
    taps = [f"hidden@{block}" for block in range(depth - blocks, depth)]
    whole: Any = encoder.source.load([taps[0], f"hidden@{depth}"]).model
    layers = list(whole.encoder.layer)[-blocks:]
    names = sorted({n for each in (*sets, *development) for n in each.names.values()})
    vector_of = dict(zip(names, encoder.encode_types(names), strict=True))
    phrases = common_phrases(mined.train, _PHRASES)
    vectors = encoder.encode_types(phrases)
    sentences = [
        context.text
        for entity in rng.sample(mined.train, min(_SENTENCES, len(mined.train)))
        for context in entity.contexts[:1]
    ]
    for each in sets:
        texts = rng.sample(each.texts, min(_OF_A_SET, len(each.texts)))
        sentences += [text.text[:400] for text in texts]
    sources = (
        LabelSource(sets, vector_of, DESCRIPTIONS),
        DefinitionSource(
            mined, mined.train, flattened(mined.train), phrases, vectors, DESCRIPTIONS
        ),
        SenseSource(WordNet(wordnet), sentences, DESCRIPTIONS),
    )

    def draw(rng: random.Random) -> Judgements:
        return rng.choices(sources, _SHARES)[0].draw(rng)

    held = [e for e in mined.every if e.heads & mined.held_out and e.elsewhere]
    unseen = (
        {
            "held-out types": DefinitionSource(
                mined, held, [1.0] * len(held), phrases, vectors, DESCRIPTIONS
            )
        }
        if held
        else {}
    )
    judged: Mapping[str, DefinitionSource | LabelSource] = unseen | (
        {"other domains": LabelSource(development, vector_of, DESCRIPTIONS)} if development else {}
    )
    asked = {
        name: [source.draw(random.Random(n)) for n in range(150)] for name, source in judged.items()
    }
    backbone = encoder.source.load(taps)

    def evaluate(model: PairModel) -> dict[str, float]:
        figures = {}
        with torch.inference_mode():
            for name, groups in asked.items():
                logits, of = pair_logits(model, backbone, groups)
                right = [groups[n].fits[int(logits[of == n].argmax())] for n in range(len(groups))]
                figures[f"right, {name}"] = float(np.mean(right))
        return figures

    return train_pair_model(backbone, draw, layers, options, loop, evaluate)


def common_phrases(entities: Sequence[MinedEntity], count: int) -> list[str]:
    """The commonest types, their last two words and their head nouns, as they are written."""
    written: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for entity in entities:
        for phrase in entity.types:
            words = phrase.split()
            for grain in {phrase, " ".join(words[-2:]), words[-1]}:
                written.setdefault(grain.lower(), grain)
                seen[grain.lower()] += 1
    return [written[phrase] for phrase, _ in seen.most_common(count)]
