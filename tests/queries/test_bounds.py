"""How many mentions a search reranks by default."""

import pytest

from ner_retriever_rag.queries.bounds import Bounds


@pytest.mark.parametrize(
    "options, count",
    [
        ({"k": 1}, 30),
        ({"k": 30}, 30),
        ({"k": 31}, 150),
        ({"k": 10, "offset": 20}, 30),  # the first three pages show one ranking
        ({"k": 10, "offset": 30}, 150),
        ({"k": None}, 150),
        ({"k": None, "rerank": 7}, 7),
        ({"k": 10, "rerank": 0}, 0),
    ],
)
def test_few_mentions_are_reranked_for_few_results(options, count):
    assert Bounds.check(**options).rerank == count


@pytest.mark.parametrize("count", [-1, 0.5, "all", True])
def test_other_counts_are_refused(count):
    with pytest.raises(ValueError, match="rerank must be a whole number"):
        Bounds.check(k=10, rerank=count)
