"""Neighbor smoothing, compared with a direct implementation of its rule."""

import math
from dataclasses import replace

import numpy as np
import pytest
from array_candidates import (
    DIM,
    ArrayCandidates,
    log_odds_scale,
    points_around,
    priorities,
    shipped_stage,
    some_calibration,
    type_query,
)
from unit_vectors import unit

from ner_retriever_rag.candidates.mention_table import random_priorities
from ner_retriever_rag.ranking.query import Wanted
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing
from ner_retriever_rag.schema import BackgroundSample

SMOOTHING = shipped_stage(NeighborSmoothing)


@pytest.fixture
def calibration():
    return some_calibration()


@pytest.fixture
def query():
    return unit(np.eye(DIM)[0])


def smoothed(calibration, query, vectors, log_odds, stage=SMOOTHING, background=None, wanted=None):
    candidates = ArrayCandidates(vectors, background=background)
    return stage(type_query(calibration, query, candidates, wanted=wanted), candidates, log_odds)


def odds_of(calibration, query, vectors):
    return log_odds_scale(calibration, query).log_odds(vectors @ query)


def reference_smoothing(vectors, odds, stage=SMOOTHING):
    """Apply the rule, one candidate at a time, with all as neighbors."""
    found = []
    for i, own in enumerate(odds):
        p = 1 / (1 + math.exp(-own))
        yes, no = p, 1 - p
        for j, other in enumerate(odds):
            if i != j:
                weight = math.exp((float(vectors[i] @ vectors[j]) - 1) / stage.bandwidth)
                p = 1 / (1 + math.exp(-other))
                yes, no = yes + weight * p, no + weight * (1 - p)
        found.append(stage.self_weight * own + math.log(yes) - math.log(no))
    return np.array(found)


@pytest.mark.parametrize("n", [1, 2, 9, 300])
def test_smoothing_equals_the_rule_by_hand(calibration, query, n):
    vectors = points_around(query, n, 0.4, seed=n)
    odds = odds_of(calibration, query, vectors)
    found = smoothed(calibration, query, vectors, odds)
    assert found == pytest.approx(reference_smoothing(vectors, odds), abs=1e-4)


def test_result_does_not_depend_on_the_block_size(calibration, query, monkeypatch):
    monkeypatch.setattr("ner_retriever_rag.ranking.smoothing._BLOCK", 7)
    vectors = points_around(query, 100, 0.4, seed=7)
    odds = odds_of(calibration, query, vectors)
    found = smoothed(calibration, query, vectors, odds)
    assert found == pytest.approx(reference_smoothing(vectors, odds), abs=1e-4)


def test_neighbors_of_a_candidate_decide(calibration, query):
    far = unit(np.eye(DIM)[0] + 2 * np.eye(DIM)[1])
    rivers, lakes = points_around(query, 40, 0.12, seed=1), points_around(far, 60, 0.1, seed=2)
    vectors = np.concatenate([rivers, lakes])
    odds = odds_of(calibration, query, vectors)
    least, most = odds[:40].argmin(), 40 + odds[40:].argmax()
    odds[most] = odds[least] + 0.1  # a lake slightly likelier than a river
    found = smoothed(calibration, query, vectors, odds)
    assert found[least] > found[most]


def test_single_candidate_has_no_other_evidence(calibration, query):
    odds = log_odds_scale(calibration, query).log_odds(np.array([0.1]))
    found = smoothed(calibration, query, query[None], odds)
    assert found == pytest.approx(1.5 * odds, rel=1e-4)


def test_candidates_beyond_the_cutoff_get_the_evidence_of_the_last(calibration, query):
    vectors = points_around(query, 400, 0.5, seed=3)
    odds = odds_of(calibration, query, vectors)
    ranking = np.argsort(-odds)
    found = smoothed(calibration, query, vectors, odds, replace(SMOOTHING, cutoff=200))
    judged, rest = ranking[:200], ranking[200:]
    assert np.median(found[judged]) > found[rest].max()
    assert (np.diff(found[rest]) <= 0).all()


def test_last_candidates_are_a_tenth_of_those_smoothed(calibration, query):
    # The first are far from the others, which form one cluster, most of it less likely.
    first, crowd, rest = np.array([[0.3, 0, 1], [0, 1, 0], [-0.1, 1, 0]]) @ np.eye(3, DIM)
    parts = [
        points_around(first, 89, 0.01, 4),
        points_around(crowd, 40, 0.01, 8),
        points_around(rest, 71, 0.01, 9),
    ]
    vectors = np.concatenate(parts)
    vectors = vectors[np.argsort(-vectors @ query)]
    odds = odds_of(calibration, query, vectors)
    stage = replace(SMOOTHING, cutoff=100, drop=0.0, background_weight=1.0)
    every = reference_smoothing(vectors, odds, stage) - stage.self_weight * odds
    said = np.median(every[89:100])
    assert odds[199] < said < odds[100]
    expected = stage.self_weight * odds + np.minimum(odds, said)
    found = smoothed(calibration, query, vectors, odds, stage)
    assert found[100:] == pytest.approx(expected[100:], abs=1e-4)


def test_background_stands_for_candidates_beyond_the_neighbors(calibration, query):
    vectors = points_around(query, 600, 0.5, seed=9)
    odds = odds_of(calibration, query, vectors)
    every = reference_smoothing(vectors, odds)
    stage = replace(SMOOTHING, neighbors=200, drop=0.0, background_weight=1.0)
    best = np.argsort(-odds)[:200]
    found = smoothed(calibration, query, vectors, odds, stage)
    assert found[best] == pytest.approx(every[best], abs=1e-4)
    # A third of it without repetition: each counts for three, so that the total weight stays.
    some = np.argsort(priorities(600))[:200]
    sample = BackgroundSample(600, priorities(600)[some], vectors[some])
    third = smoothed(calibration, query, vectors, odds, stage, sample)
    none = BackgroundSample(200, priorities(600)[:0], vectors[:0])
    alone = smoothed(calibration, query, vectors, odds, stage, none)
    assert np.abs(third[best] - found[best]).mean() < 0.1
    assert (alone[best] - found[best]).mean() > 0.5  # without the background all are likelier


def test_priorities_are_uniform_and_determined_by_the_mention():
    some = np.sort(priorities(10_000))
    assert 0 < some[0] <= some[-1] <= 1
    assert some == pytest.approx(np.linspace(0, 1, 10_000), abs=0.02)
    places = [("a", (0, 4)), ("a", (5, 9)), ("b", (0, 4)), ("a", (0, 5))]
    drawn = random_priorities(places)
    assert len(set(drawn.tolist())) == 4
    np.testing.assert_array_equal(random_priorities(places[::-1]), drawn[::-1])


def test_log_odds_beyond_the_neighbors_drop(calibration, query):
    vectors = points_around(query, 3, 0.1, seed=6)
    odds = np.array([1.0, 0.5, 0.4])
    stage = replace(SMOOTHING, neighbors=2, background_weight=0.0)
    found = smoothed(calibration, query, vectors, odds, replace(stage, drop=1.0))
    alike = smoothed(
        calibration, query, vectors, np.array([1.0, 0.5, -0.5]), replace(stage, drop=0.0)
    )
    assert found == pytest.approx(alike)


def test_result_does_not_depend_on_candidates_beyond_the_neighbors(calibration, query):
    vectors = points_around(query, 8_000, 0.5, seed=5)
    odds = odds_of(calibration, query, vectors)
    every = ArrayCandidates(vectors)
    found = SMOOTHING(type_query(calibration, query, every), every, odds)
    near = np.argsort(-odds)[: SMOOTHING.neighbors + 100]
    part = ArrayCandidates(vectors[near], background=every.background)
    part.priorities = every.priorities[near]
    few = SMOOTHING(type_query(calibration, query, part), part, odds[near])
    assert few[: SMOOTHING.neighbors] == pytest.approx(found[near[: SMOOTHING.neighbors]], abs=1e-5)


def test_wanted_candidates_are_smoothed_as_if_all_were(calibration, query):
    vectors = points_around(query, 8_000, 0.5, seed=4)
    odds = odds_of(calibration, query, vectors)
    every = smoothed(calibration, query, vectors, odds)
    may = np.arange(8_000) % 3 > 0
    found = smoothed(calibration, query, vectors, odds, wanted=Wanted(may, 300))
    best = np.flatnonzero(may)[np.argsort(-odds[may])[:300]]
    # The evidence for the others is a median over fewer, which changes nothing here.
    assert found[best] == pytest.approx(every[best], abs=1e-5)
    rest = np.setdiff1d(np.flatnonzero(may), best)
    assert (found[rest] <= found[best].max()).all()
