"""The pair-model recipe: combine the sources, train, and record metrics along the way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.judgements import (
    DefinitionSource,
    Judgements,
    SenseSource,
)
from ner_retriever_rag.training.label_judgements import LabelSource
from ner_retriever_rag.training.loop import History, LoopOptions
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.sampling import sampling_weights
from ner_retriever_rag.training.train_pair_model import (
    PairOptions,
    TrainablePairModel,
    train_pair_model,
)
from ner_retriever_rag.training.wordnet import WordNet

GROUP_SIZE = 8  # pairs drawn together
_SENTENCES = 30_000  # mined sentences to find common nouns in
_TEXTS_PER_SET = 150  # texts of each set, likewise
_SHARES = (0.45, 0.38, 0.17)  # sampling shares of labels, definitions, senses


def pair_model_recipe(
    encoder: TypeAwareEncoder,
    mined: Mined,
    sets: Sequence[AnnotatedSet],
    *,
    wordnet: str | Path,
    options: PairOptions,
    loop: LoopOptions,
    development: Sequence[AnnotatedSet] = (),
) -> tuple[PairModel, History]:
    """Train a pair model initialized from an encoder's backbone.

    Args:
        encoder: Shares its backbone; its vectors tell which descriptions are similar, and its
            detector finds mentions that labels do not mark.
        mined: Source of definitions.
        sets: Source of labels.
        wordnet: Folder of WordNet's noun files.
        options: Hyperparameters.
        loop: Steps, seed, checkpoints.
        development: Sets whose labels are evaluated during training.
    """
    rng = random.Random(loop.seed)
    names = sorted({n for each in (*sets, *development) for n in each.names.values()})
    vector_of = dict(zip(names, encoder.encode_types(names), strict=True))
    phrases = common_phrases(mined.train)
    vectors = encoder.encode_types(phrases)
    sentences = running_text(mined, sets, rng)

    def detect(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        return [[(m.start, m.end) for m in mentions] for mentions in encoder.detect(texts)]

    sources = (
        LabelSource(sets, vector_of, GROUP_SIZE, detect),
        DefinitionSource(
            mined, mined.train, sampling_weights(mined.train), phrases, vectors, GROUP_SIZE
        ),
        SenseSource(WordNet(wordnet), sentences, GROUP_SIZE),
    )

    def draw(rng: random.Random) -> Judgements:
        return rng.choices(sources, _SHARES)[0].draw(rng)

    held = [e for e in mined.every if e.heads & mined.held_out and e.elsewhere]
    unseen = (
        {
            "held-out types": DefinitionSource(
                mined, held, [1.0] * len(held), phrases, vectors, GROUP_SIZE
            )
        }
        if held
        else {}
    )
    judged: Mapping[str, DefinitionSource | LabelSource] = unseen | (
        {"other domains": LabelSource(development, vector_of, GROUP_SIZE)} if development else {}
    )
    asked = {
        name: [source.draw(random.Random(n)) for n in range(150)] for name, source in judged.items()
    }
    # Eager attention halves the training time on a CPU.
    backbone = encoder.source.eager().load([encoder.backbone.top])

    def evaluate(model: TrainablePairModel) -> dict[str, float]:
        figures = {}
        with torch.no_grad():
            for name, groups in asked.items():
                logits, of = model(groups)
                right = [groups[n].fits[int(logits[of == n].argmax())] for n in range(len(groups))]
                figures[f"right, {name}"] = float(np.mean(right))
        return figures

    return train_pair_model(backbone, draw, options, loop, evaluate)


def running_text(mined: Mined, sets: Sequence[AnnotatedSet], rng: random.Random) -> list[str]:
    """Draw mined sentences and beginnings of annotated texts, to find common nouns in."""
    sentences = [
        context.text
        for entity in rng.sample(mined.train, min(_SENTENCES, len(mined.train)))
        for context in entity.contexts[:1]
    ]
    for each in sets:
        texts = rng.sample(each.texts, min(_TEXTS_PER_SET, len(each.texts)))
        sentences += [text.text[:400] for text in texts]
    return sentences


def common_phrases(entities: Sequence[MinedEntity], count: int = 12_000) -> list[str]:
    """The most frequent types, their last two words and their head nouns, as written."""
    written: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for entity in entities:
        for phrase in entity.types:
            words = phrase.split()
            for grain in {phrase, " ".join(words[-2:]), words[-1]}:
                written.setdefault(grain.lower(), grain)
                seen[grain.lower()] += 1
    return [written[phrase] for phrase, _ in seen.most_common(count)]
