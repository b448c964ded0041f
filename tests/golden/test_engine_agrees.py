"""The golden queries on an index searched by Chroma: nearly the results of a local index.

Candidates are the nearest hundreds of each type, not all mentions, so a few ranks may differ.
"""

import numpy as np
import pytest
from engine_index import engine_index
from seeded import SeededEncoder, documents
from test_golden import (
    SAMPLE_QUERIES,
    SEEDED_QUERIES,
    query_results,
    sample_documents,
    seeded_index,
)

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.ranking.stages import NEIGHBORS
from ner_retriever_rag.search.engine_search import MIN_CANDIDATES

TOP_K = 10
AGREEMENT = 0.95  # mean over all queries
SCORE_TOLERANCE = 0.02  # tolerated loss of score
SAMPLED = {"facets", "facets, half"}  # counted on a sample of documents by the engine
REFUSED = {"not alone"}

pytestmark = pytest.mark.slow


def agreement(engine, folder, queries):
    """For each query: the share of the top ten that are the same, and that score as high."""
    found_both = {}
    for name, *query in queries:
        if name not in SAMPLED | REFUSED:
            ours = query_results(folder, *query)[:TOP_K]
            theirs = query_results(engine, *query)[:TOP_K]
            assert bool(ours) == bool(theirs), name
            if ours:
                same = {row[0] for row in ours} & {row[0] for row in theirs}
                pairs = zip(ours, theirs, strict=False)
                good = sum(mine[1] - other[1] <= SCORE_TOLERANCE for mine, other in pairs)
                found_both[name] = len(same) / len(ours), good / len(ours)
    return found_both


def test_golden_queries_agree_with_a_local_index(shipped_encoder):
    both = []
    with engine_index(shipped_encoder) as engine, EntityIndex(encoder=shipped_encoder) as folder:
        for index in (engine, folder):
            index.add(sample_documents())
        both += agreement(engine, folder, SAMPLE_QUERIES).values()
    with engine_index(SeededEncoder(shipped_encoder)) as engine:
        engine.add(documents())
        both += agreement(engine, seeded_index(shipped_encoder), SEEDED_QUERIES).values()
    assert len(both) > 50
    same, good = np.mean(both, axis=0)
    assert same >= AGREEMENT
    assert good >= 0.99


def test_more_candidates_are_fetched_than_neighbors_used():
    # Neighbors that are not fetched cannot contribute, and scores would differ from a folder's.
    assert MIN_CANDIDATES > NEIGHBORS
