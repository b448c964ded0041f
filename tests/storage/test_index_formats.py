"""Indexes that earlier versions made can be read and written.

``format-1.zip`` was made by version 0.1.0 at commit b53c701, ``format-2.zip`` at b8c2f61, with
``hashed.HashedEncoder``. Each holds the index ``whole``, and ``interrupted``, whose last write did
not reach the documents' records.
"""

import zipfile
from pathlib import Path

import chromadb
import numpy as np
import pytest
from hashed import HashedEncoder, assert_index_holds, inconsistent_row_ids

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.check import check
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION
from ner_retriever_rag.storage.chroma import PER_ROW_KEY, manifest_of
from ner_retriever_rag.storage.records import RowKey, pack_rows, unpack_rows

DOCUMENTS = [
    Document(
        "Oslo is the capital of Norway.",
        id="oslo",
        metadata={"lang": "en", "n": 1, "tags": ["city", "north"]},
    ),
    Document("The Nile flows through Egypt and Sudan.", id="nile", metadata={"lang": "en"}),
    Document("Zürich und Łódź sind Städte 🎉; Malmö auch.", id="zürich"),
    Document("no name here at all", id="none", metadata={"n": 2}),
]


MANY = Document("Rome, Oslo, Lima, Cairo, Paris and Quito are capitals.", id="many")
CONTENTS = {1: DOCUMENTS, 2: [*DOCUMENTS, MANY]}


@pytest.fixture(params=CONTENTS)
def old_index(request, tmp_path):
    """A folder with the indexes of an earlier format, and the number of the format."""
    with zipfile.ZipFile(Path(__file__).with_name(f"format-{request.param}.zip")) as archive:
        archive.extractall(tmp_path)
    return tmp_path, request.param


def formats(folder):
    with chromadb.PersistentClient(folder) as client:
        return {each.metadata["ner:format"] for each in client.list_collections()}


def test_index_of_an_earlier_format_can_be_read_and_written(old_index, encoder):
    folder, number = old_index[0] / "whole", old_index[1]
    documents = CONTENTS[number]
    with EntityIndex(folder, encoder=encoder) as index:
        assert_index_holds(index, documents)
        assert index.get("oslo") == DOCUMENTS[:1]
    assert formats(folder) == {number}  # reading changes nothing
    with EntityIndex(folder, encoder=encoder) as index:
        assert index.add(documents).unchanged == len(documents)
        changed = [Document("Oslo was Christiania.", id="oslo", metadata={"lang": None})]
        changed += [*documents[1:], Document(MANY.text, id="new")]
        report = index.add(changed)
        assert (report.replaced, report.added) == (1, 1)
        assert_index_holds(index, changed)
        assert index._store.mentions.count() == index.mention_count()  # one per row, as before
        row = index._store.texts.get(["oslo"], ["metadatas", "documents"])
        assert row["documents"] == ["Oslo was Christiania."]
        assert not {"ner:text", "n", "tags"} & row["metadatas"][0].keys()
    assert formats(folder) == {2}


def test_interrupted_write_of_an_earlier_format_is_recovered(old_index, encoder):
    folder, number = old_index[0] / "interrupted", old_index[1]
    with EntityIndex(folder, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS[:2])
        assert inconsistent_row_ids(index)
    assert not check(folder, DEFAULT_COLLECTION, encoder).sound
    with EntityIndex(folder, encoder=encoder) as index:
        index.add(CONTENTS[number])
        assert_index_holds(index, CONTENTS[number])
        assert not inconsistent_row_ids(index)
    assert check(folder, DEFAULT_COLLECTION, encoder).sound


def test_rows_hold_several_mentions(tmp_path, encoder):
    with EntityIndex(tmp_path, encoder=encoder) as index:
        index.add([MANY, *DOCUMENTS])
        assert_index_holds(index, [MANY, *DOCUMENTS])
        (many,) = index._store.fetch(["many"]).values()
        ids = [each for each in index._store.row_ids() if each.startswith("many#")]
        place = f"many#{many.version}:"
        assert sorted(ids) == [place + "0-4,6-10,12-16,18-23", place + "25-30,35-40"]
        assert [RowKey.parse(each).spans for each in ids] == [
            ((0, 4), (6, 10), (12, 16), (18, 23)),
            ((25, 30), (35, 40)),
        ]
    assert formats(tmp_path) == {3}


@pytest.mark.parametrize(("dim", "per_row"), [(16, 4), (128, 4), (200, 2), (500, 1), (1024, 1)])
def test_mentions_per_row_depend_on_the_width_of_vectors(encoder, dim, per_row):
    class Wide(HashedEncoder):
        def __init__(self):
            self.dim = dim

    assert manifest_of(Wide())[PER_ROW_KEY] == per_row


@pytest.mark.parametrize("per_row", [1, 2, 3, 4])
@pytest.mark.parametrize("mentions", [0, 1, 3, 4, 9])
def test_vectors_side_by_side_round_trip(per_row, mentions):
    vectors = np.arange(mentions * 5, dtype=np.float32).reshape(mentions, 5)
    rows = pack_rows(vectors, per_row)
    assert rows.shape == (-(-mentions // per_row), per_row * 5)
    np.testing.assert_array_equal(rows.reshape(-1, 5)[:mentions], vectors)
    np.testing.assert_array_equal(unpack_rows(list(rows), mentions, 5), vectors)
    assert not rows.reshape(-1, 5)[mentions:].any()
