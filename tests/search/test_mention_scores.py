"""The order of mentions, compared with a direct implementation of the rule."""

from types import SimpleNamespace

import numpy as np
import pytest

from ner_retriever_rag.search.mention_scores import Compared, MentionScores, best_first


class Query:
    """A query of one type, whose scores are half the similarities."""

    def scores(self, similarities):
        return similarities / 2

    def combine(self, probabilities):
        return probabilities[0]


def reference_order(scores, similarities, allowed, floor):
    places = [n for n, good in enumerate(allowed) if good and scores[n] >= floor]
    return sorted(places, key=lambda n: (-scores[n], -similarities[n], n))


@pytest.mark.parametrize("most", [None, 1, 4, 40, 1_500, 2_000, 2_001])
@pytest.mark.parametrize("floor", [0.0, 0.25])
def test_best_first_returns_the_best_of_the_allowed_mentions(most, floor):
    rng = np.random.default_rng(0)
    similarities = rng.integers(0, 400, (1, 2_000)).astype(np.float32) / 400  # many are equal
    allowed = rng.random(2_000) < 0.5
    allowed[similarities[0].argmax()] = False
    compared = Compared(similarities, similarities)
    scores = MentionScores(SimpleNamespace(), Query(), compared, allowed)
    found = scores.best_first(floor, most).tolist()
    every = reference_order(scores.scores, similarities[0], allowed, floor)
    assert 1 < len(every) < 2_000
    least = len(every) if most is None else min(most, len(every))
    assert found == every[: len(found)] and len(found) >= least
    if most is not None and most < len(every):  # beyond the limit, only ties with the last
        assert all(scores.scores[n] == scores.scores[every[most - 1]] for n in found[most:])


def test_ties_are_ordered_by_similarity_and_then_by_place():
    scores = np.array([0.5, 0.75, 0.5, 0.5, 0.25], dtype=np.float32)
    similarities = np.array([0.1, 0.0, 0.3, 0.1, 0.9], dtype=np.float32)
    everything = np.ones(5, dtype=np.bool_)
    assert best_first(scores, similarities, everything, 0.5).tolist() == [1, 2, 0, 3]
