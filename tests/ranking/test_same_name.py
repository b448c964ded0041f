"""Smoothing over candidates of the same name, against the rule written out."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numbers_of import Numbers, asked, shipped, some_calibration
from unit_vectors import unit

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.candidates.mention_table import random_priorities
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.ranking.smoothing import SameNameSmoothing

DIM = 8
SMOOTHING = shipped(SameNameSmoothing)


def smoothed(log_odds, vectors, names, priorities):
    candidates = Numbers(vectors, names, priorities)
    return SMOOTHING(None, candidates, log_odds)


def by_hand(log_odds, vectors, names, priorities):
    """The rule, one candidate at a time."""
    per_side, moved = SMOOTHING.neighbors_per_side, []
    for i in range(len(log_odds)):
        same = sorted(
            (j for j in range(len(names)) if names[j] == names[i]), key=priorities.__getitem__
        )
        place = same.index(i)
        near = same[max(0, place - per_side) : place + per_side + 1]
        agree = [j for j in near if j == i or vectors[i] @ vectors[j] >= SMOOTHING.min_cosine]
        moved.append(np.mean([log_odds[j] for j in agree]))
    return moved


def test_it_is_the_rule_by_hand():
    rng = np.random.default_rng(0)
    kinds = unit(rng.standard_normal((3, DIM)))
    vectors = unit(kinds[rng.integers(0, 3, 120)] + 0.2 * rng.standard_normal((120, DIM)))
    names = name_hashes([f"name {i}" for i in rng.integers(0, 12, 120)])
    priorities = random_priorities([(f"d{i}", (0, 4)) for i in range(120)])
    log_odds = rng.uniform(-1, 1, 120).astype(np.float32)
    moved = smoothed(log_odds, vectors, names, priorities)
    assert np.abs(moved - by_hand(log_odds, vectors, names, priorities)).max() < 1e-6
    assert np.abs(moved - log_odds).max() > 0.1


def test_what_means_something_else_does_not_count():
    river, company = unit(np.eye(DIM)[:2])
    vectors = np.stack([river, river, company])
    names, priorities = name_hashes(["Amazon", "the Amazon", "Amazon’s"]), np.array([0.2, 0.4, 0.6])
    moved = smoothed(np.array([0.9, 0.5, 0.1], np.float32), vectors, names, priorities)
    assert np.allclose(moved, [0.7, 0.7, 0.1])


def test_names_of_one_candidate_stay():
    vectors = unit(np.eye(16)[:3])
    query = asked(some_calibration(), vectors[0], candidates := Numbers(vectors))
    log_odds = query.scale.log_odds(query.similarities)
    assert np.array_equal(SMOOTHING(query, candidates, log_odds), log_odds)


def test_a_sentence_that_says_more_helps_one_that_says_less():
    def log_odds(name):
        index = EntityIndex()
        index.add([f"The river {name} flows into the sea.", f"{name} is a river in the north."])
        index.add(["Everyone remembers Velmora."])
        found = index.search("river", k=3)
        score = next(match.score for match in found if "remembers" in match.text)
        return math.log(score / (1 - score))

    assert log_odds("Velmora") > log_odds("Torvane") + 2


def test_after_the_best_nothing_is_smoothed():
    vectors, priorities = unit(np.ones((3, DIM))), np.array([0.2, 0.4, 0.6])
    candidates = Numbers(vectors, name_hashes(["Nile"] * 3), priorities)
    moved = replace(SMOOTHING, best=2)(None, candidates, np.array([0.9, 0.5, 0.1]))
    assert moved == pytest.approx([0.7, 0.7, 0.1])
