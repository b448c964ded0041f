"""Tuning a head to types that it got wrong, on synthetic features."""

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.training.features import project
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.tune import (
    Labelled,
    LinearMap,
    Preserved,
    Rows,
    TuneOptions,
    answers_kept,
    tune,
)

WIDTH, DIM, TYPES = 48, 12, 3
LOOP = LoopOptions(steps=1, seed=3)
QUICK = TuneOptions(least_steps=150, batch=64, learning_rate=1e-2)


def score(_, cosines):
    return np.clip(cosines, 0, 1).astype(np.float32) ** 4


@pytest.fixture(scope="module")
def head():
    torch.manual_seed(0)
    return ProjectionHead((WIDTH, DIM), dropout=0.0).eval().requires_grad_(False)


def rows(head, features):
    return Rows.from_features(np.asarray(features, dtype=np.float16), head)


@pytest.fixture(scope="module")
def labeled(head):
    """Mentions of three types, each along a dimension of its own; descriptions elsewhere."""
    rng = np.random.default_rng(0)
    of = np.eye(TYPES, dtype=bool)[np.arange(60) % TYPES]
    mentions = rng.normal(scale=0.3, size=(60, WIDTH))
    mentions[:, 40 : 40 + TYPES] += 3 * of
    descriptions = [f"type {number}" for number in range(TYPES)]
    types = rng.normal(size=(TYPES, WIDTH))
    return Labelled(descriptions, rows(head, types), rows(head, mentions), of)


@pytest.fixture(scope="module")
def preserved(head):
    rng = np.random.default_rng(1)
    kinds, mentions = rng.normal(size=(60, WIDTH)), rng.normal(size=(300, WIDTH))
    kinds[:, 40:] = mentions[:, 40:] = 0
    return Preserved(rows(head, kinds), rows(head, mentions))


def accuracy(head, labeled):
    cosines = project(head, labeled.mentions.features) @ project(head, labeled.types.features).T
    return (cosines.argmax(axis=1) == labeled.of.argmax(axis=1)).mean()


def test_types_are_learned_and_the_rest_is_kept(head, labeled, preserved):
    before = head.digest()
    tuned = tune(head, labeled, preserved, score, QUICK, LOOP)
    assert head.digest() == before
    assert accuracy(head, labeled) < 0.7
    assert accuracy(tuned, labeled) == 1
    stayed = (project(tuned, preserved.mentions.features) * preserved.mentions.vectors).sum(axis=1)
    assert stayed.mean() > 0.98
    assert answers_kept(preserved, tuned) > 0.8


def test_keep_term_preserves_answers(head, labeled, preserved):
    free = TuneOptions(least_steps=150, batch=64, learning_rate=1e-2, keep=0.0)
    tuned, loose = (tune(head, labeled, preserved, score, o, LOOP) for o in (QUICK, free))
    assert answers_kept(preserved, loose) < answers_kept(preserved, tuned) - 0.1


def test_the_same_seed_gives_the_same_head(head, labeled, preserved):
    short = TuneOptions(least_steps=5, epochs=0, batch=16)
    one, same = (tune(head, labeled, preserved, score, short, LOOP) for _ in range(2))
    other = tune(head, labeled, preserved, score, short, LoopOptions(steps=1, seed=4))
    assert one.digest() == same.digest() != other.digest()


def test_mention_of_two_types_is_near_both(head, labeled, preserved):
    both = labeled.of.copy()
    both[:, 1] |= both[:, 0]  # what is of the first type is of the second too
    of_two = Labelled(labeled.descriptions, labeled.types, labeled.mentions, both)
    tuned = tune(head, of_two, preserved, score, QUICK, LOOP)
    cosines = project(tuned, labeled.mentions.features) @ project(tuned, labeled.types.features).T
    first = cosines[labeled.of[:, 0]]
    assert (first[:, :2].min(axis=1) > first[:, 2]).all()


def test_unchanged_head_keeps_all_answers(head, preserved):
    assert answers_kept(preserved, head) == 1


def test_kept_rows_are_split_and_filtered_by_similarity_to_the_types(head, labeled, preserved):
    first, second = preserved.split(0.25, seed=0)
    assert (len(second.kinds), len(second.mentions)) == (15, 75)
    assert len(first.mentions) + len(second.mentions) == len(preserved.mentions)
    together = np.concatenate([first.mentions.features, second.mentions.features])
    assert {row.tobytes() for row in together} == {r.tobytes() for r in preserved.mentions.features}
    types = labeled.types
    near = Preserved(
        Rows(
            np.concatenate([preserved.kinds.features, types.features]),
            np.concatenate([preserved.kinds.vectors, types.vectors]),
        ),
        preserved.mentions,
    )
    far = (preserved.kinds.vectors @ types.vectors.T).max(axis=1) < 0.99
    assert len(near.excluding(types, 0.99).kinds) == far.sum()


def test_linear_map_takes_vectors_to_the_new_head(head, preserved):
    turned = ProjectionHead((WIDTH, DIM), dropout=0.0).eval().requires_grad_(False)
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(0)))[0]
    with torch.no_grad():
        turned.net[0].weight.copy_(turn @ head.net[0].weight)
        turned.net[0].bias.copy_(turn @ head.net[0].bias)
    move = LinearMap(preserved.mentions, turned)
    assert move.cosine(preserved.kinds, turned) > 0.999
    still = LinearMap(preserved.mentions, head)
    np.testing.assert_allclose(still(preserved.kinds.vectors), preserved.kinds.vectors, atol=1e-3)
