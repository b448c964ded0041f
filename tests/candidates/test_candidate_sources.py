"""What every candidate source must do: one test suite over all of them."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from engine_index import engine_index
from hashed import HashedEncoder

from ner_retriever_rag import Document, EntityIndex, ShardedIndex
from ner_retriever_rag.candidates import cells, merged_source, nearest, table_source
from ner_retriever_rag.candidates.joining import merge_tables
from ner_retriever_rag.candidates.protocol import CandidateSource
from ner_retriever_rag.candidates.table_source import TableSource

ENCODER = HashedEncoder()
DOCUMENTS = [
    Document(f"Town{n} lies in Peru near Lima{n % 7} and Rome{n}.", f"d{n:03}", {"n": n % 10})
    for n in range(220)
] + [Document("nothing is named here", "bare", {"n": 3})]


@pytest.fixture(scope="module")
def table():
    """The table of all mentions: the reference."""
    index = EntityIndex(encoder=ENCODER)
    index.add(DOCUMENTS)
    return index._tables.current()


@pytest.fixture(scope="module")
def inverted_file(table):
    """A source that searches its table by cells, as only large indexes do."""
    with pytest.MonkeyPatch.context() as patch:
        # Hash vectors span all dimensions: accept any share of the variance.
        patch.setattr(cells, "MIN_VARIANCE", 0.0)
        patch.setattr(table_source, "LARGE", 50)
        patch.setattr(table_source, "NEAREST", 100)
        patch.setattr(nearest, "_SAMPLED", 1)
        made = replace(table, cells=cells.Cells.make(table.vectors))
        assert made.cells is not None
        ids = {each.id: each.metadata["n"] for each in DOCUMENTS}
        yield TableSource(lambda: made, lambda where: [i for i in ids if ids[i] == where["n"]])


@pytest.fixture(scope="module", params=["table", "inverted file", "engine", "several"])
def source(request):
    if request.param == "inverted file":
        yield request.getfixturevalue("inverted_file")
        return
    makers = {
        "table": lambda: EntityIndex(encoder=ENCODER),
        "engine": lambda: engine_index(ENCODER),
        "several": lambda: ShardedIndex([engine_index(ENCODER) for _ in range(3)]),
    }
    index = makers[request.param]()
    index.add(DOCUMENTS)
    yield index._source
    index.close()


def documents_and_spans(table):
    """Document and span of each mention."""
    return [(table.doc_ids[table.owner[n]], table.span(n)) for n in range(len(table))]


def assert_same_candidates(one, other):
    """Assert the same mentions in the same order, with everything that ranking needs."""
    assert documents_and_spans(one) == documents_and_spans(other)
    assert [one.text(n) for n in range(len(one))] == [other.text(n) for n in range(len(other))]
    for name in ("starts", "ends", "last_words", "names", "nearby", "priorities"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    np.testing.assert_array_equal(one.cased[one.owner], other.cased[other.owner])
    assert [one.versions[n] for n in one.owner] == [other.versions[n] for n in other.owner]
    np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)


def test_source_implements_the_protocol(source):
    for name, _ in inspect.getmembers(CandidateSource):
        assert name.startswith("_") or hasattr(source, name), name


def test_all_mentions_are_counted_and_paged_in_order(source, table):
    assert source.count == len(table)
    pages = list(source.pages())
    assert_same_candidates(merge_tables(pages), table)
    assert [each for page in pages for each in page.doc_ids] == table.doc_ids
    some = {each.id for each in DOCUMENTS if each.metadata["n"] == 3}
    assert {each for page in source.pages({"n": 3}) for each in page.doc_ids} == some


def test_background_sample_is_the_same_for_every_source(source, table):
    found = source.background
    assert found.count == table.background.count == len(table)
    order, wanted = np.argsort(found.priorities), np.argsort(table.background.priorities)
    np.testing.assert_array_equal(found.priorities[order], table.background.priorities[wanted])
    np.testing.assert_allclose(found.vectors[order], table.background.vectors[wanted], atol=1e-6)


@pytest.mark.parametrize("exact", [False, True])
def test_nearest_mentions_are_among_the_candidates(source, table, inverted_file, exact):
    # Hash vectors do not cluster; test_cells measures the recall of cells on clustered types.
    best, wanted = (1, 1) if source is inverted_file else (20, 18)
    asked = table.vectors[[17, 402]]
    found = source.nearest(asked, 20, exact=exact)
    for vector in asked:  # compare cosines: many mentions have equal ones
        least = np.sort(table.vectors @ vector)[-best]
        assert (found.vectors @ vector >= least - 1e-5).sum() >= (best if exact else wanted)
    assert found.background.count == len(table)
    number = {place: n for n, place in enumerate(documents_and_spans(table))}
    assert_same_candidates(
        found, table.only(np.array([number[each] for each in documents_and_spans(found)]))
    )


def test_of_names_finds_mentions_in_any_spelling(source, table):
    found = source.of_names(["LIMA3", "the Rome7", "Nowhere"])
    words = {found.text(n) for n in range(len(found))}
    assert words == {"Lima3", "Rome7"}
    assert len(found) == sum(table.text(n) in words for n in range(len(table)))


def test_of_documents_returns_the_mentions_of_documents(source, table):
    found = source.of_documents(["d005", "none", "d101", "d005"])
    assert found.doc_ids == ["d005", "d101"]
    rows = table.documents(["d005", "d101"])
    numbers = [n for row in rows for n in range(table.first[row], table.first[row + 1])]
    assert_same_candidates(found, table.only(np.array(numbers)))
    assert len(source.of_documents([])) == 0


def test_document_sample_is_deterministic(source):
    found = source.sampled_documents(30)
    assert found == source.sampled_documents(30) and 12 < len(found) < 90
    assert set(found) < {each.id for each in DOCUMENTS}


@pytest.mark.parametrize("shards", [1, 4, 32])
def test_share_per_shard_covers_an_uneven_distribution(shards):
    drawn = np.random.default_rng(0).multinomial(600, [1 / shards] * shards, size=1_000)
    share = merged_source._share(600, shards)
    assert 600 / shards <= share <= 600
    assert (drawn <= share).mean() > 0.997
