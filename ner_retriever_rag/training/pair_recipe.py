"""The pair-model recipe: combine the sources, train, and record metrics along the way."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch

from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.judgements import Judgements
from ner_retriever_rag.training.loop import History, LoopOptions
from ner_retriever_rag.training.pair_sources import SHARES, PairSources, Source
from ner_retriever_rag.training.train_pair_model import (
    PairOptions,
    TrainablePairModel,
    train_pair_model,
)
from ner_retriever_rag.training.wordings import Wordings

_EVALUATED = 150  # groups per metric


def pair_model_recipe(
    data: PairSources,
    *,
    options: PairOptions,
    loop: LoopOptions,
    only: Collection[str] = SHARES,
    development: Sequence[AnnotatedSet] = (),
    start: PairModel | None = None,
) -> tuple[PairModel, History]:
    """Train a pair model initialized from an encoder's backbone, or from another pair model.

    Args:
        data: Makes the sources; its encoder shares its backbone.
        options: Hyperparameters.
        loop: Steps, seed, checkpoints.
        only: Names of the sources to train on.
        development: Sets whose labels are evaluated during training.
        start: Pair model to continue from.

    Raises:
        ValueError: If there are data for none of the sources.
    """
    sources, shares = zip(*data.make(only), strict=True)
    wordings = Wordings(data.wordnet)

    def draw(rng: random.Random) -> Judgements:
        return wordings.reworded(rng.choices(sources, shares)[0].draw(rng), rng)

    judged: dict[str, Source] = {}
    mined = data.mined
    if held := [e for e in mined.every if e.heads & mined.held_out and e.elsewhere]:
        judged["held-out types"] = data.of_entities(held)
    if development:
        judged["other domains"] = data.of_labels(development)
    asked = {
        name: [source.draw(random.Random(n)) for n in range(_EVALUATED)]
        for name, source in judged.items()
    }
    # Eager attention halves the training time on a CPU.
    encoder = data.encoder
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
