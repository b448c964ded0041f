"""Metrics of rankings, checked by hand."""

import numpy as np
import pytest

from ner_retriever_rag.evaluation.metrics import b_cubed, macro, type_metrics


def test_metrics_of_a_small_ranking() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.1], dtype=np.float32)
    figures = type_metrics(scores, {0, 2}, scores > 0.6)
    assert figures.relevant == 2
    assert figures.r_precision == 0.5  # one of the top two
    assert figures.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (figures.precision, figures.recall) == (pytest.approx(2 / 3), 1.0)
    assert figures.f1 == pytest.approx(0.8)


def test_ties_never_favor_relevant_items() -> None:
    for relevant in ({0}, {3}):
        assert type_metrics(np.zeros(4, dtype=np.float32), relevant).r_precision == 0.0
    never = np.full(4, -np.inf, dtype=np.float32)
    never[1] = 0.5
    assert type_metrics(never, {1, 2}).r_precision == 0.5
    assert type_metrics(never, {1, 2}).average_precision == pytest.approx((1 + 2 / 4) / 2)


def test_empty_selection_is_no_error() -> None:
    figures = type_metrics(np.ones(3, dtype=np.float32), {1}, np.zeros(3, dtype=bool))
    assert (figures.precision, figures.recall, figures.f1) == (0.0, 0.0, 0.0)


def test_no_relevant_items_is_an_error() -> None:
    with pytest.raises(ValueError, match="relevant"):
        type_metrics(np.ones(3, dtype=np.float32), set())


def test_macro_is_the_mean_or_none_if_a_metric_is_missing() -> None:
    scores = np.array([0.9, 0.1], dtype=np.float32)
    figures = [type_metrics(scores, {0}), type_metrics(scores, {1})]
    assert macro(figures, "r_precision") == 0.5
    assert macro(figures, "f1") is None


def test_b_cubed_by_hand():
    gold = dict(enumerate("aaabb"))
    # "a" is in one cluster except for one item, which is with a "b".
    precision, recall, f1 = b_cubed(gold, [[0, 1], [2, 3], [4]])
    assert precision == pytest.approx((2 * 1 + 2 * 0.5 + 1) / 5)
    assert recall == pytest.approx((2 * 2 / 3 + 1 / 3 + 1 / 2 + 1 / 2) / 5)
    assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert b_cubed(gold, [[0, 1, 2], [3, 4]]) == (1, 1, 1)
