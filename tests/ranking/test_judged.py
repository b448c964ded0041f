"""What judgements do to log odds: numbers, no index."""

import numpy as np
import pytest
from numbers_of import DIM, Numbers, around, asked, some_calibration
from unit_vectors import unit

from ner_retriever_rag.ranking.judged import (
    CERTAIN,
    JudgedEvidence,
    JudgedType,
    Judgements,
)
from ner_retriever_rag.ranking.threshold import GREATEST, threshold_of

RIGHT, WRONG, FAR = np.eye(DIM, dtype=np.float32)[:3]


@pytest.fixture
def judged() -> JudgedType:
    """Ten right ones in one place, ten wrong ones in another; ranking held all for likely."""
    vectors = np.concatenate([around(RIGHT, 10, 0.05, 1), around(WRONG, 10, 0.05, 2)])
    odds = np.full(20, 1.5, dtype=np.float32)
    return JudgedType.fit(Judgements(vectors, odds, np.arange(20) < 10, np.ones(20, bool)))


def test_what_is_like_the_right_ones_gains_and_what_is_like_the_wrong_ones_loses(judged) -> None:
    new = np.concatenate([around(RIGHT, 5, 0.05, 3), around(WRONG, 5, 0.05, 4)])
    found = judged.log_odds(new, np.full(10, 1.5))
    assert (found[:5] > 2).all()
    assert (found[5:] < -2).all()


def test_far_from_all_that_was_judged_the_order_stays(judged) -> None:
    found = judged.log_odds(around(FAR, 3, 0.01, 5), np.array([-2.0, 0.0, 2.0]))
    assert (np.diff(found) > 0.5).all()


def test_what_was_judged_is_as_judged_whatever_ranking_says(judged) -> None:
    both = judged.judgements.vectors[[0, 10]]
    assert judged.log_odds(both, np.array([-9.0, 9.0])).tolist() == [
        pytest.approx(CERTAIN, abs=6),
        pytest.approx(-CERTAIN, abs=6),
    ]
    assert judged.log_odds(both, np.array([-9.0, 9.0]))[0] >= CERTAIN
    assert judged.log_odds(both, np.array([-9.0, 9.0]))[1] <= -CERTAIN


def test_scores_that_are_too_high_come_down() -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((20, DIM)))
    odds = np.linspace(3, 6, 20, dtype=np.float32)
    few_right = JudgedType.fit(Judgements(vectors, odds, np.arange(20) >= 16, np.ones(20, bool)))
    slope, offset, _ = few_right.weights
    assert slope * 3 + offset < -1
    assert slope * 6 + offset > -1
    assert slope > 0


def test_one_judgement_changes_little_elsewhere() -> None:
    odds, yes = np.array([2.0], np.float32), np.array([True])
    one = JudgedType.fit(Judgements(RIGHT[None], odds, yes, yes))
    np.testing.assert_allclose(one.log_odds(FAR[None], np.array([2.0])), 2.0, atol=1.0)


def test_lesser_mentions_of_a_wrong_document_are_wrong_and_say_no_more() -> None:
    vectors, odds = np.stack([RIGHT, WRONG, FAR]), np.array([1.0, 1.0, -1.0], np.float32)
    right, telling = np.array([True, False, False]), np.array([True, True, False])
    found = JudgedType.fit(Judgements(vectors, odds, right, telling))
    without = JudgedType.fit(Judgements(vectors[:2], odds[:2], right[:2], telling[:2]))
    np.testing.assert_allclose(found.weights, without.weights)
    near = unit(FAR + 0.3 * RIGHT)[None]
    np.testing.assert_allclose(found.log_odds(near, odds[:1]), without.log_odds(near, odds[:1]))
    assert found.log_odds(FAR[None], np.array([9.0]))[0] <= -CERTAIN


def test_the_stage_leaves_types_that_were_not_judged_alone(judged) -> None:
    candidates = Numbers(np.stack([RIGHT, WRONG]))
    odds = np.array([1.0, 1.0])
    plain = asked(some_calibration(), RIGHT, candidates)
    assert JudgedEvidence()(plain, candidates, odds) is odds
    known = asked(some_calibration(), RIGHT, candidates, judged=judged.log_odds)
    counted = JudgedEvidence()(known, candidates, odds)
    assert counted[0] > 1 > counted[1]


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([0.9, 0.8, 0.1], 0.8),  # F1 of two: 1.7 / 1.9
        ([0.9, 0.45, 0.4], 0.4),  # of one 0.64, of two 0.72, of three 0.74
        ([0.5, 0.25, 0.09, 0.09, 0.09, 0.09], 0.5),  # those below 0.1 do not count
        ([0.99], GREATEST),
        ([0.09], GREATEST),
        ([], GREATEST),
    ],
)
def test_the_threshold_is_where_expected_f1_is_greatest(scores, wanted) -> None:
    assert threshold_of(np.array(scores, dtype=np.float32)) == pytest.approx(wanted)
