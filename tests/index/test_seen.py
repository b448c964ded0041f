"""The ids of a stream that came before."""

import sys

import pytest

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.seen import SeenIds


def test_each_id_is_known_by_its_place():
    seen = SeenIds()
    for place in range(20_000):
        assert seen.place_of(f"d{place}") is None
        seen.add(f"d{place}", place)
    assert [seen.place_of(f"d{place}") for place in range(20_000)] == list(range(20_000))
    assert seen.place_of("d20000") is None and seen.place_of("") is None
    held = sum(map(sys.getsizeof, seen._buckets.values()))
    assert held < 20_000 * 60  # of which 4096 buckets are most; the ids alone would be more


def test_an_id_that_comes_again_long_after_is_refused(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    stream = [Document(f"Town{n} in Peru", id=f"d{n % 299}") for n in range(300)]
    with pytest.raises(ValueError, match=r"documents\[299\] has the id 'd0' of documents\[0\]"):
        index.add(each for each in stream)
    assert index.count() == 256  # what came some hundred documents before
    report = index.add((each for each in stream), errors="skip")
    assert (report.added, report.unchanged, len(report.failed)) == (43, 256, 1)
