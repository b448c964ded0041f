"""Property-based tests: documents round-trip, and an index behaves like a dict of them."""

import math
import random
import shutil
import tempfile
from datetime import UTC, date, datetime

import pytest
from hashed import HashedEncoder, assert_index_holds, inconsistent_row_ids
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.reading import name_in
from ner_retriever_rag.storage.metadata import merge, split

QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, min_size=1, max_size=60).filter(str.strip)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(characters, max_size=20)
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=8)
    | st.decimals(allow_nan=False)
    | st.uuids()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(characters, max_size=6) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
keys = st.text(characters, min_size=1, max_size=10).filter(
    lambda key: not key.startswith(("#", "$", "ner:", "chroma:", "document-only:"))
)
metadatas = st.dictionaries(keys, values, max_size=4)


def identical(one, other):
    """Whether both are equal and of the same types, recursively."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    return one == other


@pytest.fixture(scope="module")
def index():
    with EntityIndex(encoder=HashedEncoder()) as index:
        yield index


def with_spans(text):
    places = st.integers(0, len(text))
    pairs = st.tuples(places, places).filter(lambda span: span[0] < span[1])
    return st.tuples(st.just(text), st.lists(pairs, max_size=4))


@QUICK
@given(texts, st.lists(st.tuples(texts.flatmap(with_spans), metadatas), min_size=2, max_size=2))
def test_documents_round_trip(index, doc_id, versions):
    for left in list(index.documents()):  # left over from a failed example
        index.delete(left.id)
    for (text, spans), metadata in versions:
        index.add([Document(text, doc_id, metadata)], spans=[spans])
        (found,) = index.get(doc_id)
        assert (found.text, found.id) == (text, doc_id)
        assert identical(dict(found.metadata), metadata)
        stored = index._store.fetch([doc_id])[doc_id]
        assert stored.spans == list(dict.fromkeys(spans))
        for match in index.search_mentions("x", k=None, score_threshold=0):
            assert (match.start, match.end) in spans
            assert match.text == name_in(text[match.start : match.end])
    assert index.delete(doc_id) == 1
    assert index._store.mentions.count() == 0


def test_floats_round_trip_exactly_and_can_be_filtered(index):
    numbers = random.Random(0)
    metadata = {f"n{n}": numbers.random() * 10.0 ** numbers.randint(-9, 9) for n in range(200)}
    metadata |= {"huge": 2.5985061277225413e123, "several": [0.9097462559682401, 1.0], "whole": 3.0}
    index.add([Document("a text", "fractions", metadata)])
    (found,) = index.get("fractions")
    assert found.metadata == metadata
    assert [type(found.metadata[key]) for key in ("whole", "several")] == [float, list]
    assert len(list(index.documents({"whole": 3.0}))) == 1
    assert len(list(index.documents({"n7": {"$gt": metadata["n7"] * 0.999}}))) == 1
    assert index.add([Document("a text", "fractions", metadata)]).unchanged == 1
    index.delete("fractions")


def test_metadata_that_chroma_cannot_hold_round_trips_and_the_rest_can_be_filtered(index):
    metadata = {
        "lang": "en",
        "day": date(2024, 5, 1),
        "read": datetime(2024, 5, 1, 12, 30, tzinfo=UTC),
        "gone": None,
        "score": math.inf,
        "nested": {"a": [1, None, ("x", 2)], "ner:b": {1: {2, 3}}},
        "huge": 2**80,
    }
    index.add([Document("Oslo", id="oslo", metadata=metadata)])
    assert identical(dict(index.get("oslo")[0].metadata), metadata)
    for where, hits in (({"lang": "en"}, 1), ({"day": "2024-05-01"}, 1), ({"lang": "de"}, 0)):
        assert len(index.search("city", where=where)) == hits
    assert index.add([Document("Oslo", id="oslo", metadata=metadata)]).unchanged == 1
    index.add([Document("Oslo", id="oslo", metadata={"lang": None})])
    assert index.get("oslo")[0].metadata == {"lang": None}
    assert index.search("city", where={"lang": "en"}) == []
    index.delete("oslo")


def test_metadata_that_chroma_can_hold_is_unchanged():
    metadata = {"a": "x", "b": 1, "c": 0.5, "d": True, "e": [1, 2], "f": ["x"]}
    assert split(metadata) == (metadata, None)
    assert merge(metadata, None) == metadata


class Model(RuleBasedStateMachine):
    """An index on disk, compared with a dict of the documents given to it."""

    ids = st.sampled_from("abcdef")
    words = st.sampled_from(["Oslo in Norway", "The Nile", "no name", "Lima and Rome", "Łódź 🎉"])

    @initialize()
    def begin(self):
        self.folder = tempfile.mkdtemp()
        self.expected = {}
        self.index = EntityIndex(self.folder, encoder=HashedEncoder())

    @rule(chosen=st.dictionaries(ids, words, max_size=4), n=st.none() | st.integers(0, 3))
    def add(self, chosen, n):
        documents = [Document(text, each, {"n": n}) for each, text in chosen.items()]
        report = self.index.add(documents)
        new = [each for each in documents if each.id not in self.expected]
        same = [each for each in documents if self.expected.get(each.id) == each]
        assert (report.added, report.unchanged) == (len(new), len(same))
        self.expected |= {each.id: each for each in documents}

    @rule(chosen=st.sets(ids, max_size=4))
    def delete(self, chosen):
        assert self.index.delete(chosen) == len(chosen & self.expected.keys())
        self.expected = {each: one for each, one in self.expected.items() if each not in chosen}

    @rule()
    def reopen(self):
        self.index.close()
        self.index = EntityIndex(self.folder, encoder=HashedEncoder())

    @invariant()
    def is_the_model(self):
        if hasattr(self, "index"):
            assert_index_holds(self.index, list(self.expected.values()))
            assert not inconsistent_row_ids(self.index)

    def teardown(self):
        if hasattr(self, "index"):
            self.index.close()
            shutil.rmtree(self.folder)


Model.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestModel = Model.TestCase
