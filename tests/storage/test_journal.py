"""Whose unfinished writes are left alone, and which changes a reader is told of."""

import time

import chromadb
import pytest
from hashed import HashedEncoder, assert_index_holds, inconsistent_row_ids

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.storage import journal
from ner_retriever_rag.storage.revisions import Revisions
from ner_retriever_rag.storage.store import Store


class FakeCollection:
    """The part of a collection that revisions use: metadata that others may write, too."""

    def __init__(self):
        self.values = {"theirs": 1}

    def metadata(self):
        return dict(self.values)

    def set_metadata(self, metadata):
        self.values = dict(metadata)


@pytest.fixture
def collection():
    return FakeCollection()


def test_touched_since_returns_documents_changed_after_a_revision(collection):
    revisions = Revisions(collection)
    assert revisions.current() == "" and revisions.touched_since("") == set()
    assert revisions.touched_since("never") is None
    seen = []
    for doc_ids in (["a"], ["b", "c"], ["a", "d"]):
        revisions.mark(doc_ids)
        seen.append(revisions.current())
    assert len(set(seen)) == 3 and collection.values["theirs"] == 1
    assert revisions.touched_since(seen[2]) == set()
    assert revisions.touched_since(seen[1]) == {"a", "d"}
    assert revisions.touched_since(seen[0]) == {"a", "b", "c", "d"}
    assert revisions.touched_since("") == {"a", "b", "c", "d"}
    assert revisions.touched_since("never") is None


def test_touched_since_is_unknown_after_writes_of_others(collection):
    one, other = Revisions(collection), Revisions(collection)
    one.mark(["a"])
    first = one.current()
    other.mark(["b"])
    between = one.current()
    assert one.touched_since(first) is None
    assert one.touched_since(between) == set()
    one.mark(["c"])
    assert one.touched_since(between) == {"c"}
    assert one.touched_since(first) is None


def test_renewed_index_must_be_read_again(collection):
    revisions = Revisions(collection)
    revisions.mark(["a"])
    before = revisions.current()
    revisions.renew()
    assert revisions.current() != before
    assert revisions.touched_since(before) is None


def test_only_the_latest_writes_are_remembered(collection):
    revisions = Revisions(collection)
    seen = []
    for number in range(129):
        seen.append(revisions.current())
        revisions.mark([str(number)])
    assert revisions.touched_since(seen[0]) is None
    assert revisions.touched_since(seen[1]) == {str(number) for number in range(1, 129)}


@pytest.fixture
def shared():
    """A client that others may share, so that no index is known to be the only one."""
    client = chromadb.EphemeralClient()
    yield client
    for each in client.list_collections():
        if each.name.startswith("shared"):
            client.delete_collection(each.name)


def fail(*_):
    raise ZeroDivisionError


NEW = [Document(f"Town{n} lies in Peru.", id=f"d{n}") for n in range(4)]


def test_unfinished_write_of_another_process_is_left_alone_for_an_hour(shared, monkeypatch):
    one, two = (
        EntityIndex(client=shared, collection="shared", encoder=HashedEncoder()) for _ in range(2)
    )
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Store, "_write_records", fail)
        one.add(NEW)  # as far as `two` knows, it is still running
    two.add(["Oslo"])
    assert len(inconsistent_row_ids(two)) == len(NEW)
    assert two.mention_count() == 1 and two._store.unfinished() == 1
    later = time.time() + 3_601
    monkeypatch.setattr(journal.Journal, "_now", lambda _: later)
    two.add(["Rome"])
    assert two.mention_count() == 2 and not inconsistent_row_ids(two)
    assert two._store.unfinished() == 0


def test_only_the_clock_of_the_server_is_used(shared, monkeypatch):
    """By a machine's slow clock, a write would seem to have begun long ago."""
    one, two = (
        EntityIndex(client=shared, collection="shared", encoder=HashedEncoder()) for _ in range(2)
    )
    real, right, there = Store._write_records, time.time, time.time() - 7_200

    def written_meanwhile(*arguments):
        monkeypatch.setattr(Store, "_write_records", real)
        monkeypatch.setattr(journal.time, "time", right)
        two.add(["Oslo"])
        real(*arguments)

    monkeypatch.setattr(Store, "_write_records", written_meanwhile)
    monkeypatch.setattr(journal.time, "time", lambda: there)
    one.add(NEW)
    assert_index_holds(one, [*NEW, Document("Oslo")])


def test_write_cleans_up_after_its_own_failure_at_once(shared, monkeypatch):
    one = EntityIndex(client=shared, collection="shared", encoder=HashedEncoder())
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Store, "_write_records", fail)
        one.add(NEW)
    one.add(NEW[:1])
    assert_index_holds(one, NEW[:1])
    assert not inconsistent_row_ids(one) and one._store.unfinished() == 0


def test_mentions_that_another_process_is_writing_are_kept(shared, monkeypatch):
    """A crash left mentions that another process, replacing the same documents, is writing."""
    one, two = (
        EntityIndex(client=shared, collection="shared", encoder=HashedEncoder()) for _ in range(2)
    )
    for index in (one, two):
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(Store, "_write_records", fail)
            index.add(NEW)
    assert one._store.unfinished() == 2
    one._store.recover()
    assert one._store.unfinished() == 1
    assert len(inconsistent_row_ids(one)) == len(NEW)
    two._store.recover()
    assert two._store.mentions.count() == two._store.unfinished() == 0
