"""How judgments change log odds, on arrays without an index."""

import numpy as np
import pytest
from array_candidates import DIM, ArrayCandidates, points_around, some_calibration, type_query
from unit_vectors import unit

from ner_retriever_rag.ranking.judged import (
    VERDICT_LOG_ODDS,
    JudgedEvidence,
    JudgedType,
    Judgements,
)
from ner_retriever_rag.ranking.threshold import MAX_THRESHOLD, expected_f1_threshold

RIGHT, WRONG, FAR = np.eye(DIM, dtype=np.float32)[:3]


@pytest.fixture
def judged() -> JudgedType:
    """Ten right mentions in one region, ten wrong ones in another; ranking found all likely."""
    vectors = np.concatenate([points_around(RIGHT, 10, 0.05, 1), points_around(WRONG, 10, 0.05, 2)])
    odds = np.full(20, 1.5, dtype=np.float32)
    return JudgedType.fit(Judgements(vectors, odds, np.arange(20) < 10, np.ones(20, bool)))


def test_mentions_similar_to_right_ones_gain_and_to_wrong_ones_lose(judged) -> None:
    new = np.concatenate([points_around(RIGHT, 5, 0.05, 3), points_around(WRONG, 5, 0.05, 4)])
    found = judged.log_odds(new, np.full(10, 1.5))
    assert (found[:5] > 2).all()
    assert (found[5:] < -2).all()


def test_order_is_kept_far_from_judged_mentions(judged) -> None:
    found = judged.log_odds(points_around(FAR, 3, 0.01, 5), np.array([-2.0, 0.0, 2.0]))
    assert (np.diff(found) > 0.5).all()


def test_judged_mentions_override_the_ranking(judged) -> None:
    both = judged.judgements.vectors[[0, 10]]
    assert judged.log_odds(both, np.array([-9.0, 9.0])).tolist() == [
        pytest.approx(VERDICT_LOG_ODDS, abs=6),
        pytest.approx(-VERDICT_LOG_ODDS, abs=6),
    ]
    assert judged.log_odds(both, np.array([-9.0, 9.0]))[0] >= VERDICT_LOG_ODDS
    assert judged.log_odds(both, np.array([-9.0, 9.0]))[1] <= -VERDICT_LOG_ODDS


def test_overestimated_scores_are_lowered() -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((20, DIM)))
    odds = np.linspace(3, 6, 20, dtype=np.float32)
    few_right = JudgedType.fit(Judgements(vectors, odds, np.arange(20) >= 16, np.ones(20, bool)))
    slope, offset, _ = few_right.weights
    assert slope * 3 + offset < -1
    assert slope * 6 + offset > -1
    assert slope > 0


def test_single_judgment_changes_little_elsewhere() -> None:
    odds, yes = np.array([2.0], np.float32), np.array([True])
    one = JudgedType.fit(Judgements(RIGHT[None], odds, yes, yes))
    np.testing.assert_allclose(one.log_odds(FAR[None], np.array([2.0])), 2.0, atol=1.0)


def test_lesser_mentions_of_a_wrong_document_are_wrong_but_not_evidence() -> None:
    vectors, odds = np.stack([RIGHT, WRONG, FAR]), np.array([1.0, 1.0, -1.0], np.float32)
    right, informative = np.array([True, False, False]), np.array([True, True, False])
    found = JudgedType.fit(Judgements(vectors, odds, right, informative))
    without = JudgedType.fit(Judgements(vectors[:2], odds[:2], right[:2], informative[:2]))
    np.testing.assert_allclose(found.weights, without.weights)
    near = unit(FAR + 0.3 * RIGHT)[None]
    np.testing.assert_allclose(found.log_odds(near, odds[:1]), without.log_odds(near, odds[:1]))
    assert found.log_odds(FAR[None], np.array([9.0]))[0] <= -VERDICT_LOG_ODDS


def test_stage_does_not_change_unjudged_types(judged) -> None:
    candidates = ArrayCandidates(np.stack([RIGHT, WRONG]))
    odds = np.array([1.0, 1.0])
    plain = type_query(some_calibration(), RIGHT, candidates)
    assert JudgedEvidence()(plain, candidates, odds) is odds
    known = type_query(some_calibration(), RIGHT, candidates, judged=judged.log_odds)
    counted = JudgedEvidence()(known, candidates, odds)
    assert counted[0] > 1 > counted[1]


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([0.9, 0.8, 0.1], 0.8),  # F1 of two: 1.7 / 1.9
        ([0.9, 0.45, 0.4], 0.4),  # F1 of one: 0.64, of two: 0.72, of three: 0.74
        ([0.5, 0.25, 0.09, 0.09, 0.09, 0.09], 0.5),  # those below 0.1 do not count
        ([0.99], MAX_THRESHOLD),
        ([0.09], MAX_THRESHOLD),
        ([], MAX_THRESHOLD),
    ],
)
def test_threshold_maximizes_expected_f1(scores, wanted) -> None:
    assert expected_f1_threshold(np.array(scores, dtype=np.float32)) == pytest.approx(wanted)
