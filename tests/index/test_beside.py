"""An index beside somebody else's collection: theirs is never modified, ours follows it."""

import time

import chromadb
import pytest
from external_collection import IDS, METADATA, content, vectors
from hashed import HashedEncoder, inconsistent_row_ids
from tiny import TEXTS

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.schema import Failure, SyncReport


@pytest.fixture(params=["memory", "folder", "server"])
def external_collection(request, tmp_path):
    """Somebody else's collection, with vectors of its own width."""
    if request.param == "memory":
        client = chromadb.EphemeralClient()
    elif request.param == "folder":
        client = chromadb.PersistentClient(tmp_path / "theirs")
    else:
        client = request.getfixturevalue("server")
    collection = client.create_collection(f"news-{time.time_ns()}", embedding_function=None)
    collection.add(IDS, vectors(5), METADATA, TEXTS)
    yield collection
    for each in client.list_collections():
        if each.name.startswith(collection.name):  # in-memory data is shared with other tests
            client.delete_collection(each.name)
    if request.param != "server":  # other tests use that client, too
        client.close()


def ids(matches):
    return {match.doc_id for match in matches}


def assert_spans_fit(index, collection):
    """Check that all spans fit the collection's current texts; return the ids found."""
    rows = collection.get(include=["documents"])
    texts = dict(zip(rows["ids"], rows["documents"], strict=True))
    matches = index.search("city", k=None, score_threshold=0)
    assert all(match.text == texts[match.doc_id] for match in matches)
    found = [each for match in matches for each in match.matches]
    found += index.search_mentions("city", k=None, score_threshold=0)
    found += index.extract(["city", "river"], score_threshold=0)
    assert found
    for each in found:
        assert texts[each.doc_id][each.start : each.end] == each.text
    for entity in index.entities("city", k=50):
        for doc_id in entity.documents:
            assert any(name in texts[doc_id] for name in entity.names)
    return ids(matches) | {each.doc_id for each in found}


@pytest.mark.filterwarnings("ignore:.*where:UserWarning")
def test_results_equal_a_separate_index_and_the_collection_is_unchanged(
    external_collection, tiny_encoder
):
    before, configured = content(external_collection), external_collection.configuration_json
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    assert len(index) == 0
    report = index.sync()
    assert (report.added, report.unchanged, report.deleted, report.failed) == (5, 0, 0, ())
    assert index.sync() == SyncReport(unchanged=5)
    assert assert_spans_fit(index, external_collection) == set(IDS)

    own = EntityIndex(encoder=tiny_encoder)
    own.add(list(index.documents()))
    for options in ({}, {"about": "rivers"}, {"offset": 2}, {"where": {"lang": "de"}}):
        found = index.search("city", k=3, **options)
        expected = own.search("city", k=3, **options)
        assert [each.document for each in found] == [each.document for each in expected]
        assert [each.matches for each in found] == [each.matches for each in expected]
    narrow = {"about": "rivers", "where": {"n": {"$gte": 3}}}
    assert ids(index.search("city", **narrow)) == {"ada", "cities"}
    assert index.entities("city") == own.entities("city")
    assert index.facets() == own.facets()
    assert list(index.extract(["city"])) == list(own.extract(["city"]))

    assert [(each.id, each.text, each.metadata) for each in index.get(["nile", "no", "ada"])] == [
        ("nile", TEXTS[2], METADATA[2]),
        ("ada", TEXTS[3], METADATA[3]),
    ]
    assert {each.id for each in index.documents(where={"lang": "de"})} == {"ada", "cities"}
    assert "nile" in index and "no" not in index and index.count() == 5
    index.close()
    external_collection._client.heartbeat()
    assert content(external_collection) == before
    assert external_collection.configuration_json == configured


def test_texts_and_metadata_are_not_stored_again(external_collection, tiny_encoder, request):
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    index.sync()
    for rows in (index._store._documents, index._store._mentions):
        assert rows.name.startswith(f"{external_collection.name}-ner")
        found = rows._collection.get(include=["documents", "metadatas"])
        assert found["ids"] and not any(found["documents"])
        keys = {key for each in found["metadatas"] for key in each or {}}
        assert keys <= {"ner:version", "ner:spans"}


def test_sync_follows_changes_of_the_collection(external_collection, tiny_encoder):
    with EntityIndex.beside(external_collection, encoder=tiny_encoder) as index:
        index.sync()
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    assert len(index) == 5 and index.search("city", k=1)

    external_collection.add(["new"], vectors(1), [{"n": 9}], ["Bergen is in Norway."])
    external_collection.update(["oslo"], vectors(1), documents=["The Glomma flows past Sarpsborg."])
    external_collection.update(["dino"], metadatas=[{"n": 77}])
    external_collection.delete(["nile"])
    assert assert_spans_fit(index, external_collection) == {"dino", "ada", "cities"}
    assert len(index.search("city", k=3)) == 3  # outdated documents are replaced by the next best
    assert len(index.search_mentions("city", k=5)) == 5
    assert index.get("dino")[0].metadata["n"] == 77
    assert ids(index.search("city", where={"n": 77})) == {"dino"}
    assert index.get(["oslo", "nile", "new"]) == []

    report = index.sync()
    assert (report.added, report.replaced, report.deleted, report.unchanged) == (1, 1, 1, 3)
    assert assert_spans_fit(index, external_collection) == {"dino", "oslo", "ada", "cities", "new"}
    assert ids(index.search("river", where={"n": 9})) == {"new"}
    assert index.mention_count() == len(list(index.extract(["x"], score_threshold=0)))


def test_text_restored_to_its_old_version_is_found_again(external_collection, tiny_encoder):
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    index.sync()
    external_collection.update(["oslo"], vectors(1), documents=["Nothing of the kind."])
    reader = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    assert "oslo" not in ids(reader.search("city"))
    external_collection.update(["oslo"], vectors(1), documents=[TEXTS[1]])
    assert index.sync() == SyncReport(unchanged=5)
    assert "oslo" in ids(reader.search("city"))


def test_sync_encodes_only_new_texts(external_collection, tiny_encoder, monkeypatch):
    encoded = []
    encode = type(tiny_encoder).encode

    def listening(self, texts, *rest):
        encoded.extend(texts)
        return encode(self, texts, *rest)

    monkeypatch.setattr(type(tiny_encoder), "encode", listening)
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    index.sync()
    assert sorted(encoded) == sorted(TEXTS)
    encoded.clear()
    external_collection.update(["ada"], vectors(1), documents=["Charles Babbage built nothing."])
    external_collection.delete(["oslo"])  # and the same text is added under another id
    external_collection.add(["norway"], vectors(1), [{"n": 1}], [TEXTS[1]])
    report = index.sync(progress=True)
    assert encoded == ["Charles Babbage built nothing."]
    assert (report.added, report.replaced, report.deleted) == (1, 1, 1)
    assert_spans_fit(index, external_collection)


def test_documents_without_a_text_are_reported(external_collection, tiny_encoder):
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    index.sync()
    external_collection.add(["picture"], vectors(1), [{"n": 5}])
    external_collection.update(["ada"], vectors(1), documents=[" "])
    report = index.sync()
    assert sorted(each.document for each in report.failed) == ["ada", "picture"]
    assert all(
        isinstance(each, Failure) and "Document.text" in each.reason for each in report.failed
    )
    assert report.deleted == 1 and len(index) == 4


def test_progress_bar_advances_while_long_documents_are_read(monkeypatch):
    collection = chromadb.EphemeralClient().create_collection(f"news-{time.time_ns()}")
    texts = ["Lima lies in Peru. " * 2_700] * 9 + [" "]  # two of them fill a batch
    collection.add([str(n) for n in range(10)], vectors(10), documents=texts)
    index = EntityIndex.beside(collection, encoder=HashedEncoder())
    moves = []
    monkeypatch.setattr("ner_retriever_rag.index.sync.tqdm.update", lambda _, n: moves.append(n))
    assert index.sync(progress=True).added == 9
    assert [n for n in moves if n] == [2, 2, 2, 2, 1, 1]


def test_writes_and_invalid_collections_are_rejected(external_collection, tiny_encoder):
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    index.sync()
    for write in (lambda: index.add(["x"]), lambda: index.delete("ada"), lambda: index.delete()):
        with pytest.raises(RuntimeError, match=r"add and delete them there.*sync\(\)"):
            write()
    ours = index._store._documents._collection
    with pytest.raises(ValueError, match="is an index itself"):
        EntityIndex.beside(ours, encoder=tiny_encoder)
    with pytest.raises(TypeError, match="_collection"):
        EntityIndex.beside(object(), encoder=tiny_encoder)
    with pytest.raises(ValueError, match="EntityIndex.beside"):
        EntityIndex(client=index._place.client, collection=ours.name, encoder=tiny_encoder)
    with pytest.raises(RuntimeError, match="EntityIndex.beside"):
        EntityIndex(encoder=tiny_encoder).sync()


@pytest.mark.parametrize("step", ["_write_mentions", "_write_records", "_delete_mentions", "_end"])
def test_interrupted_sync_is_resumed(external_collection, tiny_encoder, monkeypatch, step):
    index = EntityIndex.beside(external_collection, encoder=tiny_encoder)
    index.sync()
    external_collection.update(["oslo"], vectors(1), documents=["The Glomma flows past Sarpsborg."])
    external_collection.delete(["nile"])

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(index._store), step, stop)
        with pytest.raises(KeyboardInterrupt):
            index.sync()
    assert_spans_fit(index, external_collection)
    index.sync()
    assert assert_spans_fit(index, external_collection) == {"dino", "oslo", "ada", "cities"}
    assert index._store.unfinished() == 0
    assert not inconsistent_row_ids(index)
