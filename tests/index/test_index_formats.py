"""Indexes that earlier versions made are read, and go over to this format with the next write.

``format-1.zip`` was made by version 0.1.0 at commit b53c701, with ``hashed.HashedEncoder``: the
index ``whole``, and ``interrupted``, whose last write did not get to the documents' records.
"""

import zipfile
from pathlib import Path

import chromadb
import pytest
from hashed import assert_is

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.check import check
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION

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


@pytest.fixture
def old(tmp_path):
    with zipfile.ZipFile(Path(__file__).with_name("format-1.zip")) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def formats(folder):
    with chromadb.PersistentClient(folder) as client:
        return {each.metadata["ner:format"] for each in client.list_collections()}


def test_an_index_of_format_1(old, encoder):
    with EntityIndex(old / "whole", encoder=encoder) as index:
        assert_is(index, DOCUMENTS)
        assert index.get("oslo") == DOCUMENTS[:1]
    assert formats(old / "whole") == {1}  # reading changes nothing
    with EntityIndex(old / "whole", encoder=encoder) as index:
        assert index.add(DOCUMENTS).unchanged == 4
        changed = Document("Oslo was Christiania.", id="oslo", metadata={"lang": None})
        assert index.add([changed, *DOCUMENTS[1:]]).replaced == 1
        assert_is(index, [changed, *DOCUMENTS[1:]])
        row = index._store.texts.get(["oslo"], ["metadatas", "documents"])
        assert row["documents"] == ["Oslo was Christiania."]
        assert not {"ner:text", "n", "tags"} & row["metadatas"][0].keys()
    assert formats(old / "whole") == {2}


def test_an_interrupted_write_of_format_1(old, encoder):
    with EntityIndex(old / "interrupted", encoder=encoder) as index:
        assert_is(index, DOCUMENTS[:2])
        assert index._store.mentions.count() > index.mention_count()
    assert not check(old / "interrupted", DEFAULT_COLLECTION, encoder).sound
    with EntityIndex(old / "interrupted", encoder=encoder) as index:
        index.add(DOCUMENTS)
        assert_is(index, DOCUMENTS)
        assert index._store.mentions.count() == index.mention_count()
    assert check(old / "interrupted", DEFAULT_COLLECTION, encoder).sound
