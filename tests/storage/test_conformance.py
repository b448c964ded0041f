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


class Backend:
    """A store that holds its documents itself."""

    def __init__(self, place, store):
        self.place, self.store = place, store

    def add(self, documents):
        versions = [version_of(each, None) for each in documents]
        encoded = ENCODER.encode([each.text for each in documents])
        replaced = self.store.replaceable([each.id for each in documents])
        with self.place.writing():
            self.store.write(documents, versions, encoded, replaced)

    def remove(self, ids):
        records = list(self.store.records(ids).values())
        with self.place.writing():
            self.store.delete(records)


class BesideBackend(Backend):
    """A store beside somebody else's collection, which is written first."""

    def __init__(self, place, store, collection):
        super().__init__(place, store)
        self._external = collection

    def add(self, documents):
        ids, texts = [each.id for each in documents], [each.text for each in documents]
        self._external.upsert(ids=ids, documents=texts, embeddings=[[1.0]] * len(ids))
        super().add(documents)

    def remove(self, ids):
        super().remove(ids)
        self._external.delete(ids)


def in_memory():
    place = Place(None)
    return Backend(place, Store.open(place, None, ENCODER))


def in_a_folder(folder):
    place = Place(folder)
    return Backend(place, Store.open(place, "index", ENCODER))


def sharded():
    each = [in_memory() for _ in range(3)]
    place = Places([one.place for one in each], None)
    mark_shards([one.store for one in each], place.writing)
    return Backend(place, ShardedStore([one.store for one in each]))


def beside(folder):
    client = chromadb.PersistentClient(folder)
    collection = client.get_or_create_collection("theirs", embedding_function=None)
    place = Place(None, client)
    return BesideBackend(place, BesideStore.open_over(place, collection, ENCODER), collection)


def engine():
    """The store that is used on a server, here in memory."""
    place = Place(None, chromadb.EphemeralClient())
    with place.opening():
        store = EngineStore.within(place, None, ENCODER)
    store.describe = describe
    return Backend(place, store)


@pytest.fixture(params=["memory", "folder", "sharded", "beside", "engine"])
def backend(request, tmp_path):
    makers = {
        "memory": in_memory,
        "folder": lambda: in_a_folder(tmp_path),
        "sharded": sharded,
        "beside": lambda: beside(tmp_path),
        "engine": engine,
    }
    backend = makers[request.param]()
    yield backend
    backend.place.close()


def members(protocol):
    names = {name for name, _ in inspect.getmembers(protocol) if not name.startswith("_")}
    return names | set(typing.get_type_hints(protocol))


def test_store_has_all_members_of_the_protocols(backend):
    for name in members(DocumentStore):
        assert hasattr(backend.store, name), name
    for rows in (backend.store.texts, backend.store.mentions):
        for name in members(RowReader):
            assert hasattr(rows, name), name


def test_empty_store(backend):
    store = backend.store
    assert store.document_count() == store.unfinished() == 0
    assert store.document_ids() == store.row_ids() == list(store.pages()) == []
    assert store.fetch(["a"]) == store.records(["a"]) == store.twins({}) == {}
    assert store.leftovers() == store.changed({}) == set()
    assert store.widths() == (0, 0) and store.salvaged("a") is None
    store.recover()


def test_written_documents_can_be_read(backend):
    backend.add(DOCUMENTS)
    store = backend.store
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


def test_replaced_versions_are_deleted_and_equal_texts_are_found(backend):
    backend.add(DOCUMENTS)
    store = backend.store
    before = store.revisions.current()
    backend.add([CHANGED])
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


def test_deleted_documents_are_gone(backend):
    backend.add(DOCUMENTS)
    backend.remove(["a", "d"])
    store = backend.store
    assert sorted(store.document_ids()) == ["b", "c"]
    assert store.fetch(["a"]) == {} and store.salvaged("a") is None
    assert all(row.startswith("b#") for row in store.row_ids())
    assert store.unfinished() == 0


def test_rows_can_be_dropped(backend):
    backend.add(DOCUMENTS)
    (row, *_) = backend.store.records(["b"])["b"].row_ids(backend.store.per_row)
    with backend.place.writing():
        backend.store.drop_rows([row])
    assert row not in backend.store.row_ids()
    assert "b" not in backend.store.vectors(backend.store.records(["b"]).values(), DIM)


def test_renew_forgets_which_documents_were_touched(backend):
    if isinstance(backend.store, EngineStore):
        pytest.skip("readers hold nothing of its mentions")
    backend.add(DOCUMENTS)
    before = backend.store.revisions.current()
    with backend.place.writing():
        backend.store.renew()
    assert backend.store.revisions.current() != before
    assert backend.store.revisions.touched_since(before) is None
    backend.add([CHANGED])  # the metadata it knew is not written back
    assert backend.store.revisions.touched_since(before) is None


def test_unknown_metadata_keys_are_found(backend):
    backend.add(DOCUMENTS)
    assert backend.store.unknown_keys(["colour"]) == {"colour"}
