"""The golden queries on an index searched by Chroma: nearly the results of a local index.

Candidates are the nearest hundreds of each type, not all mentions, so a few ranks may differ.
"""

import numpy as np
import pytest
from engine import engine_index
from seeded import SeededEncoder, documents
from test_golden import SAMPLE_QUERIES, SEEDED_QUERIES, found, sample_documents, seeded_index

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.ranking.stages import NEIGHBORS
from ner_retriever_rag.search.engine_search import MIN_CANDIDATES

TEN = 10
AGREEMENT = 0.95  # mean over all queries
GOOD_AS = 0.02  # tolerated loss of score
SAMPLED = {"facets", "facets, half"}  # counted on a sample of documents by the engine
REFUSED = {"not alone"}

pytestmark = pytest.mark.slow


def agreement(engine, folder, queries):
    """For each query: the share of the top ten that are the same, and that score as high."""
    found_both = {}
    for name, *query in queries:
        if name not in SAMPLED | REFUSED:
            ours, theirs = found(folder, *query)[:TEN], found(engine, *query)[:TEN]
            assert bool(ours) == bool(theirs), name
            if ours:
                same = {row[0] for row in ours} & {row[0] for row in theirs}
                pairs = zip(ours, theirs, strict=False)
                good = sum(mine[1] - other[1] <= GOOD_AS for mine, other in pairs)
                found_both[name] = len(same) / len(ours), good / len(ours)
    return found_both


def test_golden_queries_agree_with_a_local_index(default):
    both = []
    with engine_index(default) as engine, EntityIndex(encoder=default) as folder:
        for index in (engine, folder):
            index.add(sample_documents())
        both += agreement(engine, folder, SAMPLE_QUERIES).values()
    with engine_index(SeededEncoder(default)) as engine:
        engine.add(documents())
        both += agreement(engine, seeded_index(default), SEEDED_QUERIES).values()
    assert len(both) > 50
    same, good = np.mean(both, axis=0)
    assert same >= AGREEMENT
    assert good >= 0.99


def test_more_candidates_are_fetched_than_neighbors_used():
    # Neighbors that are not fetched cannot contribute, and scores would differ from a folder's.
    assert MIN_CANDIDATES > NEIGHBORS
