"""What every store must do: one suite for all of them."""

import inspect
import typing

import chromadb
import numpy as np
import pytest
from hashed import DIM, HashedEncoder

from ner_retriever_rag import Document
from ner_retriever_rag.candidates.stored_rows import describe
from ner_retriever_rag.storage.beside import BesideStore
from ner_retriever_rag.storage.engine_store import EngineStore
from ner_retriever_rag.storage.place import Place
from ner_retriever_rag.storage.protocol import DocumentStore, RowReader
from ner_retriever_rag.storage.records import version_of
from ner_retriever_rag.storage.shards import Places, ShardedStore, mark_shards
from ner_retriever_rag.storage.store import Store

ENCODER = HashedEncoder()
DOCUMENTS = [
    Document("Oslo lies in Norway.", "a"),
    Document("Lima lies in Peru.", "b"),
    Document("no names in here", "c"),
    Document("Ada met Bob, Cid, Dora, Eve and Finn in Ghent.", "d"),  # more than one row
]
CHANGED = Document("Bergen lies in Norway.", "a")


class Own:
    """A store that holds its documents itself."""

    def __init__(self, place, store):
        self.place, self.store = place, store

    def put(self, documents):
        versions = [version_of(each, None) for each in documents]
        encoded = ENCODER.encode([each.text for each in documents])
        replaced = self.store.replaceable([each.id for each in documents])
        with self.place.writing():
            self.store.write(documents, versions, encoded, replaced)

    def take(self, ids):
        records = list(self.store.records(ids).values())
        with self.place.writing():
            self.store.delete(records)


class Beside(Own):
    """A store beside somebody else's collection, which is written first."""

    def __init__(self, place, store, theirs):
        super().__init__(place, store)
        self._external = theirs

    def put(self, documents):
        ids, texts = [each.id for each in documents], [each.text for each in documents]
        self._external.upsert(ids=ids, documents=texts, embeddings=[[1.0]] * len(ids))
        super().put(documents)

    def take(self, ids):
        super().take(ids)
        self._external.delete(ids)


def in_memory():
    place = Place(None)
    return Own(place, Store.open(place, None, ENCODER))


def in_a_folder(folder):
    place = Place(folder)
    return Own(place, Store.open(place, "index", ENCODER))


def sharded():
    each = [in_memory() for _ in range(3)]
    place = Places([one.place for one in each], None)
    mark_shards([one.store for one in each], place.writing)
    return Own(place, ShardedStore([one.store for one in each]))


def beside(folder):
    client = chromadb.PersistentClient(folder)
    theirs = client.get_or_create_collection("theirs", embedding_function=None)
    place = Place(None, client)
    return Beside(place, BesideStore.open_over(place, theirs, ENCODER), theirs)


def engine():
    """The store that is used on a server, here in memory."""
    place = Place(None, chromadb.EphemeralClient())
    with place.opening():
        store = EngineStore.within(place, None, ENCODER)
    store.describe = describe
    return Own(place, store)


@pytest.fixture(params=["memory", "folder", "sharded", "beside", "engine"])
def kept(request, tmp_path):
    makers = {
        "memory": in_memory,
        "folder": lambda: in_a_folder(tmp_path),
        "sharded": sharded,
        "beside": lambda: beside(tmp_path),
        "engine": engine,
    }
    kept = makers[request.param]()
    yield kept
    kept.place.close()


def members(protocol):
    names = {name for name, _ in inspect.getmembers(protocol) if not name.startswith("_")}
    return names | set(typing.get_type_hints(protocol))


def test_store_has_all_members_of_the_protocols(kept):
    for name in members(DocumentStore):
        assert hasattr(kept.store, name), name
    for rows in (kept.store.texts, kept.store.mentions):
        for name in members(RowReader):
            assert hasattr(rows, name), name


def test_empty_store(kept):
    store = kept.store
    assert store.document_count() == store.unfinished() == 0
    assert store.document_ids() == store.row_ids() == list(store.pages()) == []
    assert store.fetch(["a"]) == store.records(["a"]) == store.twins({}) == {}
    assert store.leftovers() == store.changed({}) == set()
    assert store.widths() == (0, 0) and store.salvaged("a") is None
    store.recover()


def test_written_documents_can_be_read(kept):
    kept.put(DOCUMENTS)
    store = kept.store
    found = store.fetch(["a", "b", "c", "d", "none"])
    assert [found[each.id].document for each in DOCUMENTS] == DOCUMENTS
    assert store.document_count() == len(store.document_ids()) == len(DOCUMENTS)
    assert {each.document.id for page in store.pages(size=3) for each in page} == set("abcd")
    vectors = store.vectors(found.values(), DIM)
    for document, one in zip(DOCUMENTS, ENCODER.encode([d.text for d in DOCUMENTS]), strict=True):
        assert found[document.id].spans == [(m.start, m.end) for m in one.mentions]
        assert found[document.id].version == version_of(document, None)
        np.testing.assert_allclose(vectors[document.id], one.vectors, atol=1e-6)
        text = store.texts.vectors([document.id])[document.id]
        np.testing.assert_allclose(text, one.text_vector, atol=1e-6)
    nearest = store.texts.nearest(store.texts.vectors(["b"])["b"], 2)
    assert nearest[0] == ("b", pytest.approx(1, abs=1e-5)) and len(nearest) == 2
    assert store.widths() == (8, DIM)
    rows = [row for each in found.values() for row in each.row_ids(store.per_row)]
    assert sorted(store.row_ids()) == sorted(rows)
    assert set(store.mentions.get(rows[:1], [])["ids"]) == set(rows[:1])
    assert store.mentions.count() == len(rows) and not store.leftovers()
    assert {each: found[each].version for each in found} == {
        doc_id: record.version for doc_id, record in store.records("abcd").items()
    }


def test_replaced_versions_are_deleted_and_equal_texts_are_found(kept):
    kept.put(DOCUMENTS)
    store = kept.store
    before = store.revisions.current()
    kept.put([CHANGED])
    assert store.fetch(["a"])["a"].document == CHANGED
    assert store.document_count() == len(DOCUMENTS)
    assert all("Oslo" not in each.document.text for page in store.pages() for each in page)
    rows = {row for each in store.records("abcd").values() for row in each.row_ids(store.per_row)}
    assert set(store.row_ids()) == rows
    if not isinstance(store, EngineStore):  # readers cache none of its mentions
        assert store.revisions.current() != before
        assert store.revisions.touched_since(before) == {"a"}
    version = version_of(CHANGED, None)
    again = Document(CHANGED.text, "other")
    twins = store.twins({version: again, "0" * 16: Document("not there", "z")})
    assert set(twins) == {version} and twins[version].document.text == CHANGED.text
    assert twins[version].spans == store.records(["a"])["a"].spans


def test_deleted_documents_are_gone(kept):
    kept.put(DOCUMENTS)
    kept.take(["a", "d"])
    store = kept.store
    assert sorted(store.document_ids()) == ["b", "c"]
    assert store.fetch(["a"]) == {} and store.salvaged("a") is None
    assert all(row.startswith("b#") for row in store.row_ids())
    assert store.unfinished() == 0


def test_rows_can_be_dropped(kept):
    kept.put(DOCUMENTS)
    (row, *_) = kept.store.records(["b"])["b"].row_ids(kept.store.per_row)
    with kept.place.writing():
        kept.store.drop_rows([row])
    assert row not in kept.store.row_ids()
    assert "b" not in kept.store.vectors(kept.store.records(["b"]).values(), DIM)


def test_renew_forgets_which_documents_were_touched(kept):
    if isinstance(kept.store, EngineStore):
        pytest.skip("readers hold nothing of its mentions")
    kept.put(DOCUMENTS)
    before = kept.store.revisions.current()
    with kept.place.writing():
        kept.store.renew()
    assert kept.store.revisions.current() != before
    assert kept.store.revisions.touched_since(before) is None
    kept.put([CHANGED])  # the metadata it knew is not written back
    assert kept.store.revisions.touched_since(before) is None


def test_unknown_metadata_keys_are_found(kept):
    kept.put(DOCUMENTS)
    assert kept.store.unknown_keys(["colour"]) == {"colour"}
