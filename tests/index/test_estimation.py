"""Estimated counts with an interval, from scores."""

import numpy as np
import pytest
from hashed import HashedEncoder

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.estimation import Count, Residuals

FITTED = Residuals(0.4, -1.6, 1.8)


def test_expected_count_is_the_sum_of_scores_and_lies_in_its_interval():
    count = Count.of(np.array([0.9, 0.5, 0.1, 0.0] * 25), FITTED)
    assert count.expected == pytest.approx(37.5)
    assert 0 < count.low < 37 < 38 < count.high < 100
    assert str(count) == f"38 ({count.low} to {count.high})"


def test_interval_lies_between_zero_and_the_number_of_scores():
    assert Count.of(np.array([0.9, 0.9]), FITTED).high == 2
    nothing = Count.of(np.zeros(50), FITTED)
    assert nothing.low == 0 and nothing.high >= 1
    assert Count.of(np.zeros(0), FITTED) == Count(0.0, 0, 0)


def test_intervals_narrow_with_the_count_down_to_a_limit():
    def times(expected):
        low, high = FITTED.interval(expected, 10**9)
        return high / low

    assert times(10) > times(100) > times(100_000) > np.exp((1.8 + 1.6) * 0.4) - 0.01


def test_quantiles_of_residuals_have_the_nominal_coverage():
    rng = np.random.default_rng(0)
    expected = rng.uniform(1, 100, 2_000)
    true = rng.poisson(expected * rng.lognormal(0.2, 0.4, 2_000))
    residuals = [FITTED.residual(e, t) for e, t in zip(expected, true, strict=True)]
    low, high = np.quantile(residuals, [0.05, 0.95])
    fitted = Residuals(0.4, low, high)
    covered = [
        low <= t <= high
        for e, t in zip(expected, true, strict=True)
        for low, high in [fitted.interval(e, 10**9)]
    ]
    assert 0.9 <= np.mean(covered) < 0.97  # slightly more, since intervals end on whole numbers


def test_index_estimates_documents_and_entities_and_lists_both():
    index = EntityIndex(encoder=HashedEncoder())
    texts = [f"In {name} it rained." for name in ("Oslo", "Bergen", "Lima", "Quito")]
    index.add([Document(text, str(n), {"half": n % 2}) for n, text in enumerate(texts)])
    found = index.estimate("city", least_score=0.0)
    scores = dict(found.document_scores)
    assert scores == {each.doc_id: pytest.approx(each.score) for each in index.search("city")}
    assert found.documents.expected == pytest.approx(sum(scores.values()))
    assert found.entities.expected == pytest.approx(sum(e.score for e in found.entity_list))
    assert {"Oslo", "Bergen", "Lima", "Quito"} <= {each.name for each in found.entity_list}
    half = index.estimate("city", where={"half": 1}, least_score=0.0)
    assert {doc_id for doc_id, _ in half.document_scores} == {"1", "3"}
    assert found.documents.low <= found.documents.expected <= found.documents.high <= 4
    with pytest.raises(ValueError, match="least_score|score_threshold"):
        index.estimate("city", least_score=2)
