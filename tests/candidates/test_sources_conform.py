"""What every source of candidates can do: one suite over all of them."""

from dataclasses import replace

import numpy as np
import pytest
from hashed import DIM, HashedEncoder

from ner_retriever_rag import Document
from ner_retriever_rag.candidates.cells import Cells
from ner_retriever_rag.candidates.folder import FolderCandidates
from ner_retriever_rag.candidates.mention_table import table_of

TEXTS = [f"Town{n} lies in Peru, near Lima and the Andes." for n in range(120)]
DOCUMENTS = [Document(text, f"d{n:03d}") for n, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def table():
    return table_of(DOCUMENTS, HashedEncoder().encode(TEXTS), DIM)[0]


def a_table(table):
    return FolderCandidates(table)


def with_an_inverted_file(table):
    cells = Cells.make(table.vectors)
    if cells is None:  # vectors of hashes lie in all dimensions: take the axes nonetheless
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ner_retriever_rag.candidates.cells.KEPT", 0.0)
            cells = Cells.make(table.vectors)
    assert cells is not None
    return FolderCandidates(replace(table, cells=cells))


@pytest.fixture(params=[a_table, with_an_inverted_file], ids=["table", "inverted file"])
def source(request, table):
    return request.param(table)


def named(found):
    return [(found.doc_ids[found.owner[n]], found.text(n)) for n in range(len(found))]


def test_count_and_background(source, table):
    assert source.count == len(table) == 4 * len(TEXTS)
    background = source.background
    assert background.count == source.count
    assert len(background.vectors) == len(background.priorities) == 256


def test_the_nearest_are_among_those_found(source, table):
    vector = table.vectors[17]
    found = source.nearest(vector, 100)
    assert 100 <= len(found) < len(table)
    assert found.background.count == len(table)  # of all, not of these
    best = np.argsort(-(table.vectors @ vector))[:5]
    missed = set(named(table.only(np.sort(best)))) - set(named(found))
    assert len(missed) <= (2 if source.table.cells is not None else 0)


def test_of_some_documents_there_are_some(source):
    found = source.nearest(source.table.vectors[0], 40, documents=["d007", "d008", "none"])
    ids = {doc_id for doc_id, _ in named(found)}
    assert {"d007", "d008"} <= ids


def test_of_a_name(source):
    found = source.of_name("lima")
    assert named(found) == [(f"d{n:03d}", "Lima") for n in range(120)]
    assert len(source.of_name("Lim")) == 0
    assert np.array_equal(found.vectors[3], source.of_documents(["d003"]).vectors[2])


def test_of_documents(source):
    found = source.of_documents(["d003", "d001", "none"])
    assert [text for _, text in named(found)] == [
        *("Town1", "Peru", "Lima", "Andes"), *("Town3", "Peru", "Lima", "Andes")
    ]  # fmt: skip
    assert len(source.of_documents([])) == 0


def test_pages_are_all_of_them_once(source, table):
    pages = list(source.pages(100))
    assert [len(page) for page in pages] == [100, 100, 100, 100, 80]
    assert [each for page in pages for each in named(page)] == named(table)
