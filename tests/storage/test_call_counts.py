"""How often Chroma is called: every call to a server costs a round trip."""

import chromadb
import pytest
from chromadb.api.models.Collection import Collection
from hashed import HashedEncoder, assert_index_holds

from ner_retriever_rag import Document, EntityIndex

CLIENT = ["list_collections", "get_collection", "get_or_create_collection", "delete_collection"]
COLLECTION = ["get", "query", "upsert", "delete", "modify", "count"]


@pytest.fixture
def index():
    with EntityIndex(encoder=HashedEncoder()) as index:
        index.add(["Oslo lies in Norway."])
        yield index


@pytest.fixture
def calls(index, monkeypatch):
    """The names of the calls made, and the options of each."""
    made = []

    def watch(owner, name):
        real = getattr(owner, name)

        def watched(self, *arguments, **options):
            made.append((name, options))
            return real(self, *arguments, **options)

        monkeypatch.setattr(owner, name, watched)

    for name in CLIENT:
        watch(type(index._place.client), name)
    for name in COLLECTION:
        watch(Collection, name)
    return made


def test_adding_two_documents_takes_six_calls(index, calls):
    documents = [Document(f"Town{n} lies in Peru.", f"d{n}") for n in range(2)]
    index.add(documents)
    assert [name for name, _ in calls] == ["get", "get", "modify", "upsert", "upsert", "modify"]
    assert_index_holds(index, [Document("Oslo lies in Norway."), *documents])


def test_writes_of_another_index_are_looked_for_first(index, calls):
    other = EntityIndex(
        client=index._place.client, collection=index._store.texts.name, encoder=HashedEncoder()
    )
    other.add(["Lima lies in Peru."])
    assert "list_collections" in {name for name, _ in calls}
    assert index.count() == 2


def test_replaced_record_is_read_once(index, calls):
    index.add([Document("Oslo lies in Norway.", "a")])
    calls.clear()
    assert index.add([Document("Bergen lies in Norway.", "a")]).replaced == 1
    read = [given for name, given in calls if name == "get" and "a" in (given.get("ids") or [])]
    assert len(read) == 1


def test_adding_an_unchanged_document_takes_one_call(index, calls):
    assert index.add(["Oslo lies in Norway."]).unchanged == 1
    assert [name for name, _ in calls] == ["get"]


def test_collections_are_listed_after_a_failed_write(index, calls, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Collection, "upsert", fail)
        index.add(["Lima lies in Peru."])
    assert index._store.unfinished() == 1
    calls.clear()
    index.add(["Quito lies in Ecuador."])
    assert "list_collections" in {name for name, _ in calls}
    assert index._store.unfinished() == 0
    assert_index_holds(
        index, [Document("Oslo lies in Norway."), Document("Quito lies in Ecuador.")]
    )


def test_interrupted_writes_are_looked_for_once_per_call():
    client = chromadb.EphemeralClient()  # others may use it, too
    with EntityIndex(client=client, collection="calls", encoder=HashedEncoder()) as index:
        listed = []
        real = index._store._journal.read
        index._store._journal.read = lambda name: listed.append(name) or real(name)
        index.add([f"Town{n} lies in Peru." for n in range(300)])  # three batches
        assert len(listed) == 1
    for each in ("calls", "calls-mentions"):
        client.delete_collection(each)
