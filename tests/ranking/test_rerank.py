"""The reranking stages: names before common nouns, and the pair model."""

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

from ner_retriever_rag.ranking.query import Wanted
from ner_retriever_rag.ranking.rerank import Rerank
from ner_retriever_rag.ranking.words import NamesFirst
from ner_retriever_rag.schema import WordFeatures

NAMES_FIRST = shipped_stage(NamesFirst)
RERANK = Rerank(logit_weight=0.4)
N = 100


@pytest.fixture
def vector():
    return unit(np.random.default_rng(3).standard_normal(DIM))


@pytest.fixture
def candidates(vector):
    return ArrayCandidates(points_around(vector, N, 0.4, seed=1))


def query(vector, candidates, **options):
    return type_query(some_calibration(), vector, candidates, **options)


def word_features(named):
    nothing = np.zeros(N, dtype=bool)
    return WordFeatures(nothing, np.zeros(N, np.float32), named, ~nothing)


ODDS = np.linspace(3, -6, N)


def test_common_nouns_rank_below_names_if_most_of_the_best_are_names(vector, candidates):
    named = np.arange(N) % 4 != 0
    moved = (
        NAMES_FIRST(query(vector, candidates, words=word_features(named)), candidates, ODDS) - ODDS
    )
    assert moved == pytest.approx(np.where(named, 0, NAMES_FIRST.common_noun))


def test_nothing_changes_if_most_of_the_best_are_common_nouns(vector, candidates):
    named = np.arange(N) >= 40  # not the best, but most of all
    given = query(vector, candidates, words=word_features(named))
    assert replace(NAMES_FIRST, best=60)(given, candidates, ODDS) is ODDS


@pytest.mark.parametrize("wanted", [True, False])
def test_query_option_overrides_the_majority(vector, candidates, wanted):
    named = np.arange(N) % 2 == 0
    given = query(vector, candidates, words=word_features(named), named=wanted)
    moved = NAMES_FIRST(given, candidates, ODDS) - ODDS
    assert (moved != 0).any() == wanted


def test_reranked_candidates_are_interpolated_and_the_others_follow(vector, candidates):
    seen = []

    def pair_model(numbers):
        seen.append(numbers)
        return np.where(numbers == 2, 5.0, -1.0)

    given = query(vector, candidates, rerank=pair_model, rerank_top=10)
    reranked = RERANK(given, candidates, ODDS)
    assert sorted(seen[0].tolist()) == list(range(10))
    assert reranked[2] == pytest.approx(0.6 * ODDS[2] + 0.4 * 5.0)
    assert reranked[3] == pytest.approx(0.6 * ODDS[3] - 0.4 * 1.0)
    change = (reranked[:10] - ODDS[:10]).mean()
    assert abs(change) > 0.1 and reranked[10:] == pytest.approx(ODDS[10:] + change)


def test_unwanted_candidates_are_not_reranked(vector, candidates):
    seen = []

    def pair_model(numbers):
        seen.extend(numbers.tolist())
        return np.zeros(len(numbers))

    mask = np.arange(N) % 2 == 0
    given = query(vector, candidates, rerank=pair_model, rerank_top=N, wanted=Wanted(mask, N))
    RERANK(given, candidates, ODDS)
    assert sorted(seen) == [n for n in range(N) if mask[n]]


def test_repetitions_follow_and_candidates_without_a_logit_keep_their_log_odds(vector, candidates):
    words = word_features(np.ones(N, dtype=bool))
    words.repetitions[[1, 3]] = True
    words.cased[:] = np.arange(N) != 3
    seen = []

    def pair_model(numbers):
        seen.extend(numbers.tolist())
        return np.where(numbers == 2, np.nan, 1.0)

    given = query(vector, candidates, words=words, rerank=pair_model, rerank_top=N)
    reranked = RERANK(given, candidates, ODDS)
    assert sorted(seen) == [n for n in range(N) if n != 1]
    scored = ~np.isin(np.arange(N), [1, 2])
    assert reranked[scored] == pytest.approx(0.6 * ODDS[scored] + 0.4 * 1.0)
    assert reranked[1] == pytest.approx(ODDS[1] + (reranked - ODDS)[scored].mean())
    assert reranked[2] == ODDS[2]


def test_nothing_changes_without_a_pair_model_or_candidates_to_rerank(vector, candidates):
    assert RERANK(query(vector, candidates), candidates, ODDS) is ODDS
    given = query(vector, candidates, rerank=lambda numbers: np.zeros(len(numbers)), rerank_top=0)
    assert RERANK(given, candidates, ODDS) is ODDS
