"""The ranking stages, each by itself on arrays, and all of them in order."""

from dataclasses import replace

import numpy as np
import pytest
from array_candidates import (
    DIM,
    ArrayCandidates,
    points_around,
    shipped_stage,
    some_calibration,
    type_query,
)
from unit_vectors import unit

from ner_retriever_rag.ranking import stages as stages_module
from ner_retriever_rag.ranking.judged import JudgedEvidence
from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.rerank import Rerank
from ner_retriever_rag.ranking.scaling import PlattScaling
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing
from ner_retriever_rag.ranking.stages import STAGES, rank
from ner_retriever_rag.ranking.words import NamesFirst, WordEvidence
from ner_retriever_rag.schema import BackgroundSample, WordFeatures

WORDS, SCALING = map(shipped_stage, (WordEvidence, PlattScaling))


@pytest.fixture
def calibration():
    return some_calibration()


@pytest.fixture
def query():
    return unit(np.eye(DIM)[0])


@pytest.fixture
def cloud():
    return unit(np.random.default_rng(1).standard_normal((400, DIM)))


def first_round(calibration, query, vectors):
    candidates = ArrayCandidates(vectors)
    given = type_query(calibration, query, candidates)
    return given, candidates, given.scale.log_odds(given.similarities)


# --- largest


@pytest.mark.parametrize("n", [1, 7, 400, 999])
def test_largest_equals_a_stable_sort(cloud, n):
    values = cloud[:, 0]
    assert largest(values, n).tolist() == np.argsort(-values, kind="stable")[:n].tolist()


# --- words


def test_word_evidence_adds_log_odds(calibration, query):
    given, candidates, odds = first_round(calibration, query, points_around(query, 4, 0.4, seed=1))
    words = WordFeatures(
        np.array([True, True, False, False]),
        np.array([0, 0, 0.5, 0], dtype=np.float32),
        np.ones(4, dtype=bool),
        cased=np.array([True, False, True, False]),
    )
    added = WORDS(replace(given, words=words), candidates, odds) - odds
    expected = [WORDS.repetition, WORDS.uncased_repetition, 0.5 * WORDS.nearby_names, 0]
    assert added == pytest.approx(expected, abs=1e-5)
    assert WORDS.repetition < WORDS.uncased_repetition < 0 < WORDS.nearby_names
    assert WORDS(given, candidates, odds) is odds  # no words, as for a query by examples


# --- Platt scaling


def test_platt_scaling_is_linear_in_log_odds(calibration, query):
    given, candidates, odds = first_round(calibration, query, points_around(query, 40, 0.4, seed=5))
    gain = SCALING.gain(given, candidates, odds)
    wide = SCALING.per_breadth * float((calibration.background @ query).mean())
    expected = SCALING.slope * gain * (odds + wide) + SCALING.offset
    assert SCALING(given, candidates, odds) == pytest.approx(expected, abs=1e-4)
    assert SCALING.slope > 0 < SCALING.per_breadth


def test_gain_is_the_z_score_of_the_best_against_all_and_the_sample(calibration, query):
    given, candidates, odds = first_round(
        calibration, query, points_around(query, 1_100, 0.5, seed=6)
    )
    others = given.scale.log_odds(calibration.background @ query)
    pooled = np.concatenate([odds, np.resize(others, 22 * len(others))])  # 1,100 of each
    expected = (odds.max() - pooled.mean()) / pooled.std()
    assert SCALING.gain(given, candidates, odds) == pytest.approx(expected, abs=1e-3)


def test_gain_uses_log_odds_before_neighbor_smoothing(calibration, query):
    given, candidates, odds = first_round(calibration, query, points_around(query, 40, 0.4, seed=5))
    before = SCALING.gain(given, candidates, odds)
    given.stage_inputs[NeighborSmoothing] = odds + 5
    assert SCALING.gain(given, candidates, odds) > before + 0.5


def test_order_is_kept_if_nothing_stands_out(calibration, query):
    given, candidates, odds = first_round(
        calibration, query, points_around(-query, 20, 0.2, seed=5)
    )
    assert odds.max() < given.scale.log_odds(calibration.background @ query).mean()
    scaled = SCALING(given, candidates, odds)
    assert (np.argsort(scaled) == np.argsort(odds)).all()
    assert scaled.max() < 0


def test_gain_does_not_depend_on_the_candidates_fetched(calibration, query):
    given, candidates, odds = first_round(
        calibration, query, points_around(query, 2_000, 0.5, seed=6)
    )
    nearest = largest(odds, 1_000)
    background = candidates.background
    few = ArrayCandidates(candidates.vectors[nearest], background=background)
    asked_of_few = type_query(calibration, query, few)
    assert SCALING.gain(asked_of_few, few, odds[nearest]) == pytest.approx(
        SCALING.gain(given, candidates, odds)
    )


def test_identical_candidates_do_not_stand_out(calibration, query):
    same = points_around(query, 50, 0.0, seed=1)  # and so is the calibration's sample
    alike = first_round(calibration.moved(lambda _: same), query, np.stack([query] * 3))
    assert 0 < SCALING.gain(*alike) < 0.2


# --- all stages


def test_stages_run_in_the_order_of_the_list(calibration, query):
    candidates = ArrayCandidates(points_around(query, 60, 0.4, seed=2))
    given = type_query(calibration, query, candidates)
    odds = given.scale.log_odds(given.similarities)
    for stage in STAGES:
        given.stage_inputs[type(stage)] = odds
        odds = stage(given, candidates, odds)
    assert rank(type_query(calibration, query, candidates), candidates) == pytest.approx(odds)


def test_leaving_out_a_stage_changes_the_result(calibration, query, monkeypatch):
    candidates = ArrayCandidates(points_around(query, 60, 0.3, seed=2))
    whole = rank(type_query(calibration, query, candidates), candidates)
    for stage in STAGES:
        if isinstance(
            stage, WordEvidence | NamesFirst | Rerank | JudgedEvidence
        ):  # these have nothing to do here
            continue
        without = tuple(each for each in STAGES if each is not stage)
        monkeypatch.setattr(stages_module, "STAGES", without)
        found = rank(type_query(calibration, query, candidates), candidates)
        assert np.abs(found - whole).max() > 1e-3


def test_without_sharpening_candidates_do_not_affect_each_other(calibration, query):
    vectors = points_around(query, 60, 0.4, seed=2)
    given = type_query(calibration, query, candidates := ArrayCandidates(vectors))
    alone = rank(given, candidates, sharpen=False)
    odds = given.scale.log_odds(given.similarities)
    assert alone == pytest.approx(SCALING(given, candidates, odds), abs=1e-5)


def test_neighbor_smoothing_is_skipped_without_a_calibration(query):
    candidates = ArrayCandidates(points_around(query, 60, 0.4, seed=2))
    given = type_query(None, query, candidates)
    found = rank(given, candidates)
    assert NeighborSmoothing not in given.stage_inputs and WordEvidence in given.stage_inputs
    assert given.scale.score(found) == pytest.approx(np.clip(found / given.scale.slope, 0, 1))


def test_no_candidates_give_no_scores(calibration, query):
    candidates = ArrayCandidates(
        np.zeros((0, DIM), np.float32), background=BackgroundSample(0, [], [])
    )
    assert len(rank(type_query(calibration, query, candidates), candidates)) == 0
