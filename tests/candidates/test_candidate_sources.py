"""What every maker of candidates can do: one suite over all of them."""

import inspect

import numpy as np
import pytest
from engine import engine_index
from hashed import DIM, HashedEncoder, vector

from ner_retriever_rag import Document, EntityIndex, ShardedIndex
from ner_retriever_rag.candidates.joining import joined
from ner_retriever_rag.candidates.protocol import IndexedSource

ENCODER = HashedEncoder()
DOCUMENTS = [
    Document(f"Town{n} lies in Peru near Lima{n % 7} and Rome{n}.", f"d{n:03}", {"n": n % 10})
    for n in range(220)
] + [Document("nothing is named here", "bare", {"n": 3})]
ASKED = np.stack([vector("city", DIM), vector("river", DIM)])


@pytest.fixture(scope="module")
def table():
    """The table of all mentions, the yardstick."""
    index = EntityIndex(encoder=ENCODER)
    index.add(DOCUMENTS)
    return index._tables.current()


@pytest.fixture(scope="module", params=["table", "engine", "several"])
def source(request):
    makers = {
        "table": lambda: EntityIndex(encoder=ENCODER),
        "engine": lambda: engine_index(ENCODER),
        "several": lambda: ShardedIndex([engine_index(ENCODER) for _ in range(3)]),
    }
    index = makers[request.param]()
    index.add(DOCUMENTS)
    yield index._source
    index.close()


def places(table):
    """Document and span of each mention."""
    return [(table.doc_ids[table.owner[n]], table.span(n)) for n in range(len(table))]


def same(one, other):
    """The same mentions, in the same order, with all that ranking needs of them."""
    assert places(one) == places(other)
    assert [one.text(n) for n in range(len(one))] == [other.text(n) for n in range(len(other))]
    for name in ("starts", "ends", "last_words", "names", "nearby", "priorities"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    np.testing.assert_array_equal(one.cased[one.owner], other.cased[other.owner])
    assert [one.versions[n] for n in one.owner] == [other.versions[n] for n in other.owner]
    np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)


def test_it_has_all_that_a_source_has(source):
    for name, _ in inspect.getmembers(IndexedSource):
        assert name.startswith("_") or hasattr(source, name), name


def test_all_mentions_are_counted_and_paged_in_order(source, table):
    assert source.count == len(table)
    pages = list(source.page_by_page())
    same(joined(pages), table)
    assert [each for page in pages for each in page.doc_ids] == table.doc_ids
    some = {each.id for each in DOCUMENTS if each.metadata["n"] == 3}
    assert [len(page) for page in source.pages(300)] == [300, 300, len(table) - 600]
    assert {each for page in source.page_by_page({"n": 3}) for each in page.doc_ids} == some


def test_the_background_sample_is_the_same_for_all(source, table):
    found = source.background
    assert found.count == table.background.count == len(table)
    order, wanted = np.argsort(found.priorities), np.argsort(table.background.priorities)
    np.testing.assert_array_equal(found.priorities[order], table.background.priorities[wanted])
    np.testing.assert_allclose(found.vectors[order], table.background.vectors[wanted], atol=1e-6)


@pytest.mark.parametrize("exact", [False, True])
def test_the_nearest_are_among_what_is_found(source, table, exact):
    found = source.nearest_to(ASKED, 20, exact=exact)
    there = set(places(found))
    for asked in ASKED:
        best = np.argsort(-(table.vectors @ asked))[:20].tolist()
        assert len(there & {places(table)[n] for n in best}) >= (20 if exact else 18)
    assert found.background.count == len(table)
    number = {place: n for n, place in enumerate(places(table))}
    same(found, table.only(np.array([number[each] for each in places(found)])))


def test_mentions_of_a_name_however_it_is_spelled(source, table):
    assert {source.of_name("lima3").text(n) for n in range(3)} == {"Lima3"}
    found = source.of_names(["LIMA3", "the Rome7", "Nowhere"])
    words = {found.text(n) for n in range(len(found))}
    assert words == {"Lima3", "Rome7"}
    assert len(found) == sum(table.text(n) in words for n in range(len(table)))


def test_mentions_of_documents(source, table):
    found = source.of_documents(["d005", "none", "d101", "d005"])
    assert found.doc_ids == ["d005", "d101"]
    rows = table.documents(["d005", "d101"])
    numbers = [n for row in rows for n in range(table.first[row], table.first[row + 1])]
    same(found, table.only(np.array(numbers)))
    assert len(source.of_documents([])) == 0


def test_documents_are_sampled_by_their_ids(source):
    found = source.sampled_documents(30)
    assert found == source.sampled_documents(30) and 12 < len(found) < 90
    assert set(found) < {each.id for each in DOCUMENTS}
