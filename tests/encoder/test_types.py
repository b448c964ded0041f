"""The cache of encoded type descriptions, and the vocabulary of kinds."""

import threading

import numpy as np
import pytest
from tiny import CapitalizedWords

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.kinds import kind_names, non_entity_phrases
from ner_retriever_rag.encoder.type_vectors import TypeVectors


@pytest.fixture
def encoder(tiny_checkpoint):
    """An encoder with an empty cache."""
    return TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=CapitalizedWords())


@pytest.fixture
def texts_read(encoder, monkeypatch):
    """The texts that the backbone was given to read."""
    given = []
    real = encoder.backbone.read
    monkeypatch.setattr(encoder.backbone, "read", lambda texts: given.extend(texts) or real(texts))
    return given


def test_description_is_encoded_once(encoder, texts_read):
    first = encoder.encode_types(["river", "city", "river"])
    np.testing.assert_array_equal(first[0], first[2])
    again = encoder.encode_types([" city", "oslo", "river "])
    assert texts_read == ["river", "city", "oslo"]
    np.testing.assert_array_equal(again[[2, 0]], first[:2])


def test_modifying_returned_vectors_does_not_change_the_cache(encoder):
    first = encoder.encode_types(["river"])
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(encoder.encode_types(["river"]), kept)


def test_least_recently_used_entries_are_evicted():
    memory = TypeVectors(size=2)
    memory.keep({name: np.zeros(2) for name in "ab"})
    memory.known(["a"])
    memory.keep({"c": np.zeros(2)})
    assert memory.known("abc").keys() == {"a", "c"}


def test_threads_share_the_kinds_and_the_cache(encoder, texts_read):
    start = threading.Barrier(6)
    kinds, rows = [], []

    def work():
        start.wait()
        kinds.append(encoder.kinds)
        rows.append(encoder.encode_types(["river", "city"]))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kinds) == len(rows) == 6 and all(each is kinds[0] for each in kinds)
    for row in rows:
        np.testing.assert_allclose(row, rows[0], atol=1e-5)
    assert texts_read.count(kind_names()[0]) == 1


def test_kinds_are_immutable_values(encoder):
    kinds = encoder.kinds
    assert kinds.names == kind_names() and len(kinds.names) > 1000
    assert kinds.vectors.shape == (len(kinds.names), encoder.dim)
    assert kinds.half.dtype == kinds.vectors.dtype == np.float32
    with pytest.raises(AttributeError):
        kinds.names = ()


def test_odd_kinds_are_phrases_of_the_vocabulary():
    assert {"responsible", "fear", "list of countries"} <= non_entity_phrases() <= set(kind_names())
    assert not non_entity_phrases() & {"river", "person", "company", "disease", "team", "house"}
