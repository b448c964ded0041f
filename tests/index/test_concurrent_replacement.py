"""A document that is replaced during a search is found, in its old or new version."""

from itertools import cycle
from threading import Thread

import pytest
from hashed import DIM, HashedEncoder

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.candidates.mention_table import read_table

TEXTS = ["Oslo lies in Norway.", "Lima lies in Peru.", "Cairo lies in Egypt."]


@pytest.fixture(params=["folder", "memory", "shards"])
def index(request, tmp_path, encoder):
    from ner_retriever_rag.index.sharded_index import ShardedIndex

    places = {"folder": tmp_path, "memory": None}
    if request.param == "shards":
        made = ShardedIndex([tmp_path / "a", tmp_path / "b"], encoder=encoder)
    else:
        made = EntityIndex(places[request.param], encoder=encoder)
    with made as index:
        index.add([Document(text, f"d{n}") for n, text in enumerate(TEXTS)])
        yield index


def replace_at_every_lookup(index, monkeypatch, most):
    """Before each lookup, let another thread replace a document, or wait until it may."""
    real, writers, others = index._store.fetch, [], cycle(["Quito.", "Rome or Bonn.", "Paris."])

    def fetch(ids):
        if len(writers) < most:
            document = Document(next(others), "d0")
            writer = Thread(target=index.add, args=([document],))
            writer.start()
            writers.append(writer)  # once started: the writer's own lookups get here, too
            writer.join(0.5)
        return real(ids)

    monkeypatch.setattr(index._store, "fetch", fetch)
    return writers


@pytest.mark.parametrize("times", [1, 40], ids=["once", "again and again"])
def test_document_replaced_between_two_lookups_is_found(index, monkeypatch, times):
    index.search("city")
    writers = replace_at_every_lookup(index, monkeypatch, times)
    found = {match.doc_id: match for match in index.search("city")}
    monkeypatch.undo()
    for each in writers:
        each.join()
    assert found.keys() == {"d0", "d1", "d2"}
    for match in found.values():
        assert all(match.text[each.start : each.end] == each.text for each in match.matches)
    assert index.count() == 3


@pytest.mark.parametrize("index", ["memory"], indirect=True)
def test_entities_on_a_topic_include_a_document_replaced_meanwhile(index, monkeypatch):
    index.search("city")
    writers = replace_at_every_lookup(index, monkeypatch, 1)
    found = index.entities("city", k=None, about="x", score_threshold=0)
    monkeypatch.undo()
    for each in writers:
        each.join()
    assert writers and {"Quito", "Oslo"} & {name for each in found for name in each.names}


def test_document_replaced_while_the_table_is_read_is_included(encoder, monkeypatch):
    """It is replaced between its record and its vectors, which are gone by then."""
    with EntityIndex(encoder=encoder) as index:
        index.add([Document(text, f"d{n}") for n, text in enumerate(TEXTS)])
        store, real, texts = index._store, index._store.vectors, ["Quito."]

        def vectors(records, dim):
            if texts:  # adding reads vectors, too
                index.add([Document(texts.pop(0), "d0")])
            return real(records, dim)

        monkeypatch.setattr(store, "vectors", vectors)
        table = read_table(store, DIM)
        assert table.doc_ids == ["d0", "d1", "d2"] and table.text(0) == "Quito" and not texts


def test_document_deleted_meanwhile_is_not_returned(encoder, monkeypatch):
    with EntityIndex(encoder=HashedEncoder()) as index:
        index.add([Document(text, f"d{n}") for n, text in enumerate(TEXTS)])
        index.search("city")
        real, lookups = index._store.fetch, []

        def fetch(ids):
            lookups.append(1)
            if len(lookups) == 1:
                index.delete("d0")
            return real(ids)

        monkeypatch.setattr(index._store, "fetch", fetch)
        assert {match.doc_id for match in index.search("city")} == {"d1", "d2"}
