"""The top results of a large index: coarse search finds nearly those of an exact search."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from unit_vectors import low_dimensional_types, unit

from ner_retriever_rag import Document
from ner_retriever_rag.candidates.cells import LARGE, Cells
from ner_retriever_rag.candidates.mention_table import MentionTable, offsets_of
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.search.search import Search
from ner_retriever_rag.storage.records import StoredDocument

DIM, A_DOCUMENT, DOCUMENTS = 64, 8, 8_000
NAME = b"Name"


@pytest.fixture(scope="module")
def types():
    return low_dimensional_types(60, DIM)


@pytest.fixture(scope="module")
def table(types):
    """Mentions at varying distances from their types; the first documents hold the first type."""
    rng, n = np.random.default_rng(1), DOCUMENTS * A_DOCUMENT
    of = rng.integers(1, len(types), n)
    of[: n // 20] = 0
    vectors = unit(types[of] + rng.uniform(0.02, 0.2, (n, 1)) * rng.standard_normal((n, DIM)))
    starts = np.tile(np.arange(A_DOCUMENT, dtype=np.int32) * 10, DOCUMENTS)
    assert n > LARGE
    return MentionTable(
        [f"d{row:05d}" for row in range(DOCUMENTS)],
        ["v"] * DOCUMENTS,
        np.ones(DOCUMENTS, dtype=np.bool_),
        np.arange(DOCUMENTS + 1) * A_DOCUMENT,
        starts,
        starts + len(NAME),
        np.zeros(n, dtype=np.uint32),
        rng.integers(0, n // 2, n, dtype=np.uint64),
        np.zeros((n, 2), dtype=np.uint64),
        rng.random(n, dtype=np.float32),
        np.frombuffer(NAME * n, np.uint8),
        offsets_of([len(NAME)] * n),
        vectors,
        Cells.make(vectors),
    )


@pytest.fixture(scope="module", params=["cells", "no cells"])
def search(request, table, types):
    """A search over a stub store whose filters select documents by their position."""
    table = table if request.param == "cells" else replace(table, cells=None)
    rng = np.random.default_rng(2)
    calibration = Calibration(unit(rng.standard_normal((200, DIM))), (8.0, 0.3), (0, 0, 0, 0, -1.0))
    encoder = SimpleNamespace(
        calibration=calibration,
        judge=None,
        similarity="cosine",
        score=calibration.probability,
        encode_types=lambda names: np.stack([types[int(name)] for name in names]),
    )
    store = SimpleNamespace(
        writes_paused=nullcontext,
        judgements=list,
        changed=lambda versions: set(),
        fetch=lambda ids: {i: StoredDocument(i, "v", [], Document("x" * 80, i)) for i in ids},
        document_ids=lambda where: table.doc_ids[where["from"] :: where["every"]],
    )
    return Search(store, SimpleNamespace(current=lambda: table, revision=None), encoder)


EVERY_TENTH = {"from": 0, "every": 10}
EVERY_HUNDREDTH = {"from": 3, "every": 100}
SECOND_HALF = {"from": 4_000, "every": 1}  # none of the first type


@pytest.mark.slow
@pytest.mark.parametrize("where", [None, EVERY_TENTH, EVERY_HUNDREDTH, SECOND_HALF])
def test_approximate_results_nearly_equal_exact_ones(search, where):
    k = 20
    right, off, scored_counts, compare = [], [], [], search.compare
    search.compare = lambda part, *others: scored_counts.append(len(part)) or compare(part, *others)
    for query in ("0", "7", "33"):
        few = search.documents([query], Bounds.check(k=k, where=where))[0]
        assert scored_counts.pop() < DOCUMENTS * A_DOCUMENT
        assert not scored_counts
        every = search.documents([query], Bounds.check(k=k, where=where, exact=True))[0]
        scored_counts.clear()
        scores = {match.doc_id: match.score for match in every}
        right.append(len(scores.keys() & {match.doc_id for match in few}) / k)
        off += [abs(m.score - scores[m.doc_id]) for m in few if m.doc_id in scores]
    del search.compare
    assert np.mean(right) >= 0.95
    assert np.mean(off) < 0.005
