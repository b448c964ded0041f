"""An index beside others' collections and folders, and links where files should be."""

import os
from contextlib import closing

import chromadb
import pytest
from hashed import HashedEncoder, assert_index_holds

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.check import check, repair
from ner_retriever_rag.storage.roles import index_names, roles_in

DOCUMENTS = [Document(f"Town{n} lies in Peru.", id=f"d{n}", metadata={"n": n}) for n in range(4)]
JOURNAL = "notes-journal-0123456789abcdef0123456789abcdef"


def make_index(folder, name, documents=DOCUMENTS):
    with EntityIndex(folder, collection=name, encoder=HashedEncoder()) as index:
        index.add(documents)


def forget_roles(folder):
    """Remove the roles from the metadata of collections, as in an earlier version."""
    with closing(chromadb.PersistentClient(folder)) as client:
        for each in client.list_collections():
            kept = {key: value for key, value in each.metadata.items() if key != "ner:role"}
            each.modify(metadata=kept)


@pytest.mark.parametrize("earlier", [False, True], ids=["today", "earlier"])
def test_repair_keeps_an_index_with_a_name_like_a_journal(tmp_path, earlier):
    make_index(tmp_path, "notes")
    make_index(tmp_path, "notes-journal-2024", DOCUMENTS[:2])
    if earlier:
        forget_roles(tmp_path)
    assert check(tmp_path, "notes", HashedEncoder()).sound
    assert repair(tmp_path, "notes", HashedEncoder()).unfinished == 0
    assert index_names(tmp_path) == ["notes", "notes-journal-2024"]
    make_index(tmp_path, "notes", DOCUMENTS[1:])  # a write cleans up after others, too
    for name, documents in (("notes", DOCUMENTS), ("notes-journal-2024", DOCUMENTS[:2])):
        with EntityIndex.open(tmp_path, collection=name, encoder=HashedEncoder()) as index:
            assert_index_holds(index, documents)


def test_journal_belongs_to_the_index_with_the_longer_name(tmp_path):
    make_index(tmp_path, "notes")
    with EntityIndex(tmp_path, collection="notes-journal-x", encoder=HashedEncoder()) as longer:
        longer.add(DOCUMENTS)
        longer._store._journal.begin([])
    assert check(tmp_path, "notes", HashedEncoder()).unfinished == 0
    assert check(tmp_path, "notes-journal-x", HashedEncoder()).unfinished == 1


@pytest.mark.parametrize("earlier", [False, True], ids=["today", "earlier"])
def test_internal_collections_are_not_opened_as_indexes(tmp_path, earlier):
    make_index(tmp_path, "notes")
    if earlier:
        forget_roles(tmp_path)
    with pytest.raises(
        ValueError, match="'notes-mentions' is not an index.* open collection='notes'"
    ):
        EntityIndex(tmp_path, collection="notes-mentions", encoder=HashedEncoder())
    with EntityIndex(tmp_path, collection="notes", encoder=HashedEncoder()) as index:
        assert_index_holds(index, DOCUMENTS)
        index._store._journal.begin([])
        with pytest.raises(
            ValueError, match="is not an index; it holds the journal of the index 'notes'"
        ):
            name = index._store._journal._open
            EntityIndex(tmp_path, collection=name, encoder=HashedEncoder())


@pytest.mark.parametrize("name", ["news-mentions", JOURNAL])
def test_names_of_internal_collections_are_rejected(tmp_path, name):
    make_index(tmp_path, "notes")
    with pytest.raises(ValueError, match=f"collection '{name}': names that end in '-mentions'"):
        EntityIndex(tmp_path, collection=name, encoder=HashedEncoder())
    assert set(roles_in(tmp_path).values()) == {"documents", "mentions"}


def test_index_of_an_earlier_version_with_such_a_name_can_be_opened(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ner_retriever_rag.storage.chroma.check_name", lambda _: None)
        make_index(tmp_path, "news-mentions")
    forget_roles(tmp_path)
    with EntityIndex.open(tmp_path, collection="news-mentions", encoder=HashedEncoder()) as index:
        assert_index_holds(index, DOCUMENTS)
    with pytest.raises(ValueError, match="'news' cannot be opened.* 'news-mentions'.* is an index"):
        EntityIndex(tmp_path, collection="news", encoder=HashedEncoder())


def test_relative_path_is_resolved_when_it_is_given(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with EntityIndex("index", encoder=HashedEncoder()) as one:
        one.add(DOCUMENTS[:2])
        monkeypatch.chdir(tmp_path / "other")
        with EntityIndex("index", encoder=HashedEncoder()) as other:
            assert other.count() == 0
            other.add(DOCUMENTS[2:])
            other.delete("d2")
            assert_index_holds(one, DOCUMENTS[:2])
            assert_index_holds(other, DOCUMENTS[3:])
        one.add(DOCUMENTS[:3])
        assert_index_holds(one, DOCUMENTS[:3])
        assert one._folder == tmp_path / "one" / "index"


def test_relative_and_absolute_path_of_a_client_are_one_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(chromadb.PersistentClient("index")) as client:
        with EntityIndex(client=client, collection="notes", encoder=HashedEncoder()) as one:
            one.add(DOCUMENTS)
            with EntityIndex(
                tmp_path / "index", collection="notes", encoder=HashedEncoder()
            ) as other:
                assert_index_holds(other, DOCUMENTS)
                other.delete("d0")
                assert_index_holds(one, DOCUMENTS[1:])


@pytest.mark.parametrize("name", [".ner-retriever.lock", ".write.lock"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_link_in_place_of_the_lock_file_is_rejected(tmp_path, name, link):
    """Whoever made the folder could have any file truncated or filled that its user may write."""
    make_index(tmp_path / "theirs", "notes")
    diary = tmp_path / "diary.txt"
    diary.write_text("dear diary\n99999 reads\n")
    (tmp_path / "theirs" / name).unlink(missing_ok=True)
    link(diary, tmp_path / "theirs" / name)
    with pytest.raises(ValueError, match=f"{name} is a link or not a regular file"):
        EntityIndex(tmp_path / "theirs", collection="notes", encoder=HashedEncoder())
    assert diary.read_text() == "dear diary\n99999 reads\n"


def test_pipe_in_place_of_the_lock_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".ner-retriever.lock")
    with pytest.raises(ValueError, match="not a regular file"):
        EntityIndex(tmp_path, encoder=HashedEncoder())


@pytest.mark.parametrize("other", [False, True], ids=["gone", "another in its place"])
def test_reads_notice_a_moved_folder(tmp_path, other):
    with EntityIndex(tmp_path / "index", collection="notes", encoder=HashedEncoder()) as index:
        index.add(DOCUMENTS)
        index.search("city")
        (tmp_path / "index").rename(tmp_path / "moved")
        if other:
            make_index(tmp_path / "elsewhere", "notes", DOCUMENTS[:1])
            (tmp_path / "elsewhere").rename(tmp_path / "index")
        for read in (lambda: index.search("city"), index.count, lambda: index.get("d0")):
            with pytest.raises(FileNotFoundError, match="is gone|another is in its place"):
                read()
    make_index(tmp_path / "moved", "notes")
