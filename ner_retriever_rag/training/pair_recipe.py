"""The pair-model recipe: combine the sources, train, and record metrics along the way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.annotated_sets import AnnotatedSet, passages_of
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.hearst import ListedType
from ner_retriever_rag.training.identifier_judgements import IdentifierSource, paragraphs_of
from ner_retriever_rag.training.judgements import DefinitionSource, Judgements, SenseSource
from ner_retriever_rag.training.label_judgements import LabelSource
from ner_retriever_rag.training.list_judgements import ListSource
from ner_retriever_rag.training.loop import History, LoopOptions
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.ranked_judgements import RankedSource
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
_SHARES = {
    "definitions": 0.34, "senses": 0.12, "rankings": 0.22, "labels": 0.12, "lists": 0.10,
    "identifiers": 0.10,
}  # of the groups  # fmt: skip


class Source(Protocol):
    """A source of judged pairs."""

    def draw(self, rng: random.Random) -> Judgements:
        """Draw a group of pairs."""


def pair_model_recipe(
    encoder: TypeAwareEncoder,
    mined: Mined,
    sets: Sequence[AnnotatedSet],
    *,
    wordnet: str | Path,
    options: PairOptions,
    loop: LoopOptions,
    lists: Sequence[ListedType] = (),
    manuals: str | Path | None = None,
    development: Sequence[AnnotatedSet] = (),
    start: PairModel | None = None,
) -> tuple[PairModel, History]:
    """Train a pair model initialized from an encoder's backbone, or from another pair model.

    Args:
        encoder: Shares its backbone; its vectors tell which descriptions are similar, its detector
            finds mentions that labels do not mark, and its rankings of the sets' texts give hard
            negatives.
        mined: Source of definitions.
        sets: Source of labels and of rankings; may be empty.
        wordnet: Folder of WordNet's noun files.
        options: Hyperparameters.
        loop: Steps, seed, checkpoints.
        lists: Lists of instances of a type.
        manuals: Folder of text files with identifiers, beside those in the sets; None for none.
        development: Sets whose labels are evaluated during training.
        start: Pair model to continue from.
    """
    rng = random.Random(loop.seed)
    names = sorted({n for each in (*sets, *development) for n in each.names.values()})
    vector_of = dict(zip(names, encoder.encode_types(names), strict=True))
    phrases = common_phrases(mined.train)
    vectors = encoder.encode_types(phrases)

    def detect(texts: Sequence[str]) -> list[list[Span]]:
        return [[(m.start, m.end) for m in mentions] for mentions in encoder.detect(texts)]

    def of_definitions(
        entities: Sequence[MinedEntity], weights: Sequence[float]
    ) -> DefinitionSource:
        return DefinitionSource(mined, entities, weights, phrases, vectors, GROUP_SIZE)

    sources: list[tuple[Source, float]] = [
        (of_definitions(mined.train, sampling_weights(mined.train)), _SHARES["definitions"]),
        (
            SenseSource(WordNet(wordnet), running_text(mined, sets, rng), GROUP_SIZE),
            _SHARES["senses"],
        ),
    ]
    if sets:
        sources += [
            (RankedSource(encoder, sets, vector_of, GROUP_SIZE), _SHARES["rankings"]),
            (LabelSource(sets, vector_of, GROUP_SIZE, detect), _SHARES["labels"]),
        ]
    if allowed := [e for e in lists if head_noun(e.type).lower() not in mined.held_out]:
        source = ListSource(allowed, detect, encoder.encode_types, GROUP_SIZE)
        sources.append((source, _SHARES["lists"]))
    if manuals is not None:
        texts = [p.text for each in sets for text in each.texts for p in passages_of(text)]
        texts += paragraphs_of(manuals, rng)
        sources.append((IdentifierSource(texts, detect, GROUP_SIZE), _SHARES["identifiers"]))
    shares = [share for _, share in sources]

    def draw(rng: random.Random) -> Judgements:
        return rng.choices(sources, shares)[0][0].draw(rng)

    held = [e for e in mined.every if e.heads & mined.held_out and e.elsewhere]
    judged: dict[str, DefinitionSource | LabelSource] = {}
    if held:
        judged["held-out types"] = of_definitions(held, [1.0] * len(held))
    if development:
        judged["other domains"] = LabelSource(development, vector_of, GROUP_SIZE)
    asked = {
        name: [source.draw(random.Random(n)) for n in range(150)] for name, source in judged.items()
    }
    # Eager attention halves the training time on a CPU.
    backbone = replace(encoder.source.eager(), dtype="auto").load([encoder.backbone.top])

    def evaluate(model: TrainablePairModel) -> dict[str, float]:
        figures = {}
        with torch.no_grad():
            for name, groups in asked.items():
                logits, of = model(groups)
                right = [groups[n].fits[int(logits[of == n].argmax())] for n in range(len(groups))]
                figures[f"right, {name}"] = float(np.mean(right))
        return figures

    return train_pair_model(backbone, draw, options, loop, evaluate, start)


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
