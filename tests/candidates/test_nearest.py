"""The top results of a large index: scoring the nearest mentions gives those of scoring all."""

from dataclasses import replace

import numpy as np
import pytest

from ner_retriever_rag import AllOf, Not
from ner_retriever_rag.candidates import mention_table
from ner_retriever_rag.candidates import nearest as nearest_module
from ner_retriever_rag.candidates.nearest import NEAREST, nearest
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.ranking import stages


@pytest.fixture(autouse=True)
def large(monkeypatch):
    monkeypatch.setattr(nearest_module, "LARGE", 50)
    monkeypatch.setattr(nearest_module, "NEAREST", 90)
    monkeypatch.setattr(nearest_module, "A_RESULT", 0)
    monkeypatch.setattr(nearest_module, "_SAMPLED", 1)
    # As in production, more mentions are scored than are smoothed or used as neighbors.
    assert stages.NEIGHBORS < stages.RANK_CUTOFF < NEAREST
    fewer = {"cutoff": 80, "neighbors": 60, "best": 60}
    few = [
        replace(stage, **{name: n for name, n in fewer.items() if hasattr(stage, name)})
        for stage in stages.STAGES
    ]
    monkeypatch.setattr(stages, "STAGES", few)


@pytest.fixture
def scored_counts(index, monkeypatch):
    """The number of mentions that each comparison scores."""
    search = index._search
    seen, compare = [], search.compare

    def watched(table, *others):
        seen.append(len(table))
        return compare(table, *others)

    monkeypatch.setattr(search, "compare", watched)
    return seen


def ids_and_scores(found):
    return [(match.doc_id, pytest.approx(match.score, abs=1e-6)) for match in found]


@pytest.mark.parametrize("query", ["river", "city"])
@pytest.mark.parametrize("where", [None, {"half": 1}])
def test_unsharpened_results_equal_exact_ones(index, scored_counts, query, where):
    few = index.search(query, k=5, where=where, sharpen=False)
    (part,) = scored_counts
    every = index.search(query, k=5, where=where, sharpen=False, exact=True)
    assert part < scored_counts[1] == len(index._search._tables.current())
    assert ids_and_scores(few) == ids_and_scores(every)
    some = index.search_mentions(query, k=5, where=where, sharpen=False)
    best = index.search_mentions(query, k=5, where=where, sharpen=False, exact=True)
    assert [(m.doc_id, m.start, m.end, m.text) for m in some] == [
        (m.doc_id, m.start, m.end, m.text) for m in best
    ]


def test_sharpened_results_nearly_equal_exact_ones(index):
    few = {match.doc_id for match in index.search("river", k=10)}
    every = {match.doc_id for match in index.search("river", k=10, exact=True)}
    assert len(few & every) >= 9


def test_background_sample_covers_all_mentions(index, monkeypatch):
    monkeypatch.setattr(mention_table, "BACKGROUND", 20)
    table = index._search._tables.current()
    found = replace(table).only(np.arange(5)).background
    lowest = np.sort(np.argsort(table.priorities)[:20])
    assert found.count == len(table)
    assert np.array_equal(found.priorities, table.priorities[lowest])
    assert np.array_equal(found.vectors, table.vectors[lowest])


def test_all_mentions_are_scored_if_the_nearest_are_too_few(index, scored_counts):
    everything = index.count()
    assert len(index.search("river", k=everything)) == everything - 3  # three have no mentions
    assert scored_counts == [pytest.approx(90, abs=10), len(index._search._tables.current())]


@pytest.mark.parametrize(
    ("query", "bounds"),
    [
        ("river", {"k": None}),
        ("river", {"k": 5, "exact": True}),
        (AllOf("river", "city"), {"k": 5}),
        (Not("river"), {"k": 5}),
    ],
)
def test_queries_that_score_all_mentions(index, query, bounds):
    table = index._search._tables.current()
    scored = index._search.scored(query, table)
    every = np.ones(len(table.doc_ids), dtype=np.bool_)
    assert nearest(table, scored, every, Bounds.check(**bounds)) is None
    assert (
        nearest(table, index._search.scored("river", table), every, Bounds.check(k=5)) is not None
    )


def test_table_restricted_to_some_mentions(index):
    table = index._search._tables.current()
    rows = np.arange(0, len(table), 3)
    part = table.only(rows)
    assert len(part) == len(rows)
    assert part.doc_ids == table.doc_ids
    for new, old in enumerate(rows.tolist()):
        assert part.text(new) == table.text(old)
        assert part.span(new) == table.span(old)
        assert part.owner[new] == table.owner[old]
        assert part.last_words[new] == table.last_words[old]
    assert np.array_equal(part.vectors, table.vectors[rows])
    assert np.array_equal(part.named, table.named[rows])
    assert len(table.only(np.arange(0))) == 0
