"""A damaged index is rejected, the damage is reported, and repaired from the texts."""

import json
import os
from contextlib import closing

import chromadb
import numpy as np
import pytest
from hashed import HashedEncoder, assert_index_holds, inconsistent_row_ids
from typer.testing import CliRunner

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.cli import app
from ner_retriever_rag.index.check import check, repair
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION
from ner_retriever_rag.storage import crash_probe
from ner_retriever_rag.storage.roles import index_names
from ner_retriever_rag.storage.store import Store

DOCUMENTS = [
    Document(  # 16 mentions in 4 rows each: more than 1,000 rows, so that Chroma writes files
        f"Town{n} lies in Peru near Lima{n % 7} and Rome{n}. " * 4, id=f"d{n}", metadata={"n": n}
    )
    for n in range(300)
]


@pytest.fixture(autouse=True)
def skip_crash_probe(request, monkeypatch):
    """Skip the crash probe, a process that takes a second or two; one test needs it."""
    if "process_comes_to_its_end" not in request.node.name:
        monkeypatch.setattr(crash_probe, "crashes_in", lambda *_: None)


@pytest.fixture
def folder(tmp_path, encoder):
    with EntityIndex(tmp_path / "index", encoder=encoder) as index:
        index.add(DOCUMENTS)
    return tmp_path / "index"


def largest_graph_file(folder, name):
    return max(folder.glob("*/data_level0.bin"), key=lambda file: file.stat().st_size).with_name(
        name
    )


def corrupt_links(file):
    with file.open("r+b") as opened:  # point the first node's links to missing nodes
        opened.write(np.array([8, *[10**6] * 8], dtype="<u4").tobytes())


DAMAGES = {
    "vectors cut": ("data_level0.bin", lambda file: os.truncate(file, file.stat().st_size // 2)),
    "links cut": ("link_lists.bin", lambda file: os.truncate(file, 100)),
    "names cut": ("index_metadata.pickle", lambda file: os.truncate(file, 100)),
    "missing": ("length.bin", os.remove),
    "header missing": ("header.bin", os.remove),
    "garbage": ("header.bin", lambda file: file.write_bytes(b"\x07" * 100)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_rejected_and_repaired(folder, encoder, damage):
    name, do = DAMAGES[damage]
    do(largest_graph_file(folder, name))
    with pytest.raises(RuntimeError, match=f"{name}.*check .* --repair"):
        EntityIndex(folder, encoder=encoder)
    assert list(check(folder, DEFAULT_COLLECTION, encoder).graphs.values())[0].startswith(name)
    findings = repair(folder, DEFAULT_COLLECTION, encoder)
    assert findings.mended and not findings.lost
    with EntityIndex(folder, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS)
    assert check(folder, DEFAULT_COLLECTION, encoder).sound


def test_graph_can_be_repaired_repeatedly(folder, encoder):
    for _ in range(3):
        file = max(
            (each for each in folder.glob("*/length.bin") if "damaged" not in each.parent.name),
            key=lambda each: each.stat().st_size,
        )
        os.truncate(file, 10)
        assert repair(folder, DEFAULT_COLLECTION, encoder).mended
        with EntityIndex(folder, encoder=encoder) as index:
            assert_index_holds(index, DOCUMENTS)
    assert len(list(folder.glob("damaged-*"))) == 3


def test_index_with_an_unfinished_repair_is_rejected(folder, encoder, monkeypatch):
    """Otherwise searches would miss the documents that are not re-encoded yet."""
    os.truncate(largest_graph_file(folder, "length.bin"), 10)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        encode, calls = type(encoder).encode, iter(range(2))

        def stopped(*arguments, **options):
            if next(calls) == 1:
                raise KeyboardInterrupt
            return encode(*arguments, **options)

        patch.setattr("ner_retriever_rag.index.check._PAGE", 100)
        patch.setattr(type(encoder), "encode", stopped)
        repair(folder, DEFAULT_COLLECTION, encoder)
    with pytest.raises(RuntimeError, match="repair was interrupted.*check .* --repair"):
        EntityIndex(folder, encoder=encoder)
    assert check(folder, DEFAULT_COLLECTION, encoder).graphs
    assert len(repair(folder, DEFAULT_COLLECTION, encoder).mended) < len(DOCUMENTS)  # it resumed
    with EntityIndex(folder, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS)
    assert check(folder, DEFAULT_COLLECTION, encoder).sound


HOLDER = """
import sys, time
from hashed import HashedEncoder
from ner_retriever_rag import EntityIndex
with EntityIndex(sys.argv[1], encoder=HashedEncoder()) as index:
    index.add(["Quito lies in Ecuador."])
    print("writes", flush=True)
    time.sleep(600)
"""


def test_index_that_another_process_writes_is_not_checked(folder, encoder, start):
    """Its files may be half written at that moment."""
    holder = start(HOLDER, folder)
    assert holder.stdout.readline() == "writes\n"
    os.truncate(largest_graph_file(folder, "length.bin"), 10)
    before = {each.name for each in folder.iterdir()}
    for look in (check, repair):
        with pytest.raises(RuntimeError, match=f"pid {holder.pid} writes"):
            look(folder, DEFAULT_COLLECTION, encoder)
    assert {each.name for each in folder.iterdir()} == before


def test_thorough_check_finds_dangling_links(folder, encoder):
    corrupt_links(largest_graph_file(folder, "data_level0.bin"))
    assert "lead nowhere" in str(check(folder, DEFAULT_COLLECTION, encoder).graphs)
    repair(folder, DEFAULT_COLLECTION, encoder)
    with EntityIndex(folder, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS)


def test_orphans_gaps_and_records_that_cannot_be_read(folder, encoder):
    with EntityIndex(folder, encoder=encoder) as index:
        store = index._store
        gone = store.fetch(["d5"])["d5"].row_ids(store.per_row)[0]
        with index._place.writing():
            store.mentions.delete([gone])
            store.mentions.upsert(ids=["d9#0:0-4"], embeddings=[np.ones(64, dtype=np.float32)])
            store.texts._collection.update(ids=["d7"], metadatas=[{"ner:spans": "[[0,"}])
            store._mentions.set_metadata({**store._mentions.metadata(), "ner:journal": "[[broken"})
    findings = check(folder, DEFAULT_COLLECTION, encoder)
    assert findings.unfinished == 1
    assert "d9#0:0-4" in findings.orphans  # besides the mentions of d7, whose record is unreadable
    assert (findings.incomplete, findings.unreadable) == (["d5"], ["d7"])
    with EntityIndex(folder, encoder=encoder) as index:
        with pytest.raises(RuntimeError, match="journal .* cannot be read.*--repair"):
            index.add(["Oslo"])
    mended = repair(folder, DEFAULT_COLLECTION, encoder)
    assert (sorted(mended.mended), mended.lost) == (["d5", "d7"], [])
    assert check(folder, DEFAULT_COLLECTION, encoder).sound
    with EntityIndex(folder, encoder=encoder) as index:
        assert index.get("d7") == [DOCUMENTS[7]]
        assert index.add(DOCUMENTS).unchanged == len(DOCUMENTS)
        assert_index_holds(index, DOCUMENTS)


DAMAGED = {
    "cut": {"ner:spans": "[[0,"},
    "beyond the text": {"ner:spans": "[[0,4],[0,999]]"},
    "before it": {"ner:spans": "[[-3,2]]"},
    "halves": {"ner:spans": "[[0.5,2]]"},
    "three": {"ner:spans": "[[0,1,2]]"},
    "a number": {"ner:spans": 3},
    "gone": {"ner:spans": None},
    "no version": {"ner:version": None},
    "metadata": {"ner:metadata": "{["},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_record_is_reported_and_rebuilt(tmp_path, encoder, monkeypatch, damage):
    """Even if an unfinished write involved the document."""
    with EntityIndex(tmp_path, encoder=encoder) as index:
        index.add(DOCUMENTS[:4])
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(Store, "_write_records", lambda *_: 1 / 0)
            index.add([Document("Lima", id="d2")])
        index._store.texts._collection.update(ids=["d2"], metadatas=[DAMAGED[damage]])
        for use in (lambda: index.search("city"), lambda: index.get("d2")):
            with pytest.raises(RuntimeError, match="'d2' cannot be read: .*check DIR --repair"):
                use()
        assert index.get("d1") == DOCUMENTS[1:2]
    findings = check(tmp_path, DEFAULT_COLLECTION, encoder)
    assert (findings.unreadable, findings.incomplete) == (["d2"], [])
    mended = repair(tmp_path, DEFAULT_COLLECTION, encoder)
    assert (mended.mended, mended.lost) == (["d2"], [])
    assert check(tmp_path, DEFAULT_COLLECTION, encoder).sound
    with EntityIndex(tmp_path, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS[:4])


def test_document_without_its_text_is_reported_as_lost(tmp_path, encoder):
    with EntityIndex(tmp_path, encoder=encoder) as index:
        index.add(DOCUMENTS[:3])
        index._store.texts._collection.update(
            ids=["d1"], embeddings=[np.ones(8)], metadatas=[DAMAGED["cut"]], documents=[" "]
        )
    findings = repair(tmp_path, DEFAULT_COLLECTION, encoder)
    assert (findings.lost, findings.mended) == (["d1"], [])
    assert not check(tmp_path, DEFAULT_COLLECTION, encoder).sound
    with EntityIndex(tmp_path, encoder=encoder) as index:
        index.delete("d0")
        assert index.get("d2") == DOCUMENTS[2:3]


def test_vectors_that_are_no_numbers(tmp_path):
    class Broken(HashedEncoder):
        def encode(self, texts, spans=None):
            found = super().encode(texts, spans)
            found[-1].vectors[0, 0] = np.nan
            return found

    with EntityIndex(tmp_path, encoder=Broken()) as index:
        with pytest.raises(ValueError, match="vectors for document 'd2' hold NaN"):
            index.add(DOCUMENTS[:3])
        assert index.count() == index.mention_count() == 0 and not inconsistent_row_ids(index)


def test_on_the_command_line(folder, encoder, monkeypatch):
    monkeypatch.setattr("ner_retriever_rag.cli.check.load_encoder", lambda *_: encoder)
    run = CliRunner().invoke
    result = run(app, ["check", str(folder)])
    assert (result.exit_code, "no problems found" in result.output) == (0, True)
    os.truncate(largest_graph_file(folder, "data_level0.bin"), 500)
    result = run(app, ["check", str(folder)])
    assert (result.exit_code, "data_level0.bin is truncated" in result.output) == (1, True)
    result = run(app, ["check", str(folder), "--repair", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["lost"] == []
    assert run(app, ["check", str(folder)]).exit_code == 0
    result = run(app, ["check", str(folder / "nothing")])
    assert (result.exit_code, "no index in" in result.output) == (2, True)


def test_indexes_in_one_folder_are_repaired_by_name(folder, encoder, monkeypatch):
    monkeypatch.setattr("ner_retriever_rag.cli.check.load_encoder", lambda *_: encoder)
    with EntityIndex(folder, collection="other", encoder=encoder) as index:
        index.add(DOCUMENTS)
        whole = index.search("river", k=None)
    for file in folder.glob("*/data_level0.bin"):  # of both indexes
        os.truncate(file, 500)
    run = CliRunner().invoke
    result = run(app, ["check", str(folder), "--repair"])
    assert result.exit_code == 0, result.output
    assert "not checked: the index 'other'" in result.output
    result = run(app, ["check", str(folder), "--collection", "other"])
    assert (result.exit_code, "without all mentions or vectors" in result.output) == (1, True)
    assert run(app, ["check", str(folder), "--collection", "other", "--repair"]).exit_code == 0
    for name in (DEFAULT_COLLECTION, "other"):
        result = run(app, ["check", str(folder), "--collection", name])
        assert (result.exit_code, "no problems found" in result.output) == (0, True)
    with EntityIndex.open(folder, collection="other", encoder=encoder) as index:
        assert index.search("river", k=None) == whole


def test_open_does_not_create_a_missing_index(folder, encoder):
    with pytest.raises(FileNotFoundError, match="no index 'otter' in .*, only "):
        EntityIndex.open(folder, collection="otter", encoder=encoder)
    assert "otter" not in index_names(folder)


def log_failed_write(folder, **columns):
    """Make Chroma log a record that it cannot write, and check that it raises."""
    with closing(chromadb.PersistentClient(folder)) as client:
        collection = client.get_collection(DEFAULT_COLLECTION, embedding_function=None)
        with pytest.raises(chromadb.errors.InternalError):
            collection.upsert(**columns)


def test_record_that_chroma_cannot_write_is_kept_as_json(tmp_path, encoder):
    """Chroma's log holds it; until the repair nothing can be read, checked or written."""
    metadata = {"token_ids": list(range(6_000)), "x": 0.1, "gone": None}
    with EntityIndex(tmp_path, encoder=encoder) as index:
        index.add(DOCUMENTS[:3])
    log_failed_write(
        tmp_path,
        ids=["wide"],
        embeddings=[np.ones(8, dtype=np.float32)],
        documents=["Quito lies in Ecuador."],
        metadatas=[metadata],
    )
    with pytest.raises(RuntimeError, match="record 'wide' .*check .* --repair keeps them as JSON"):
        EntityIndex(tmp_path, encoder=encoder)
    findings = check(tmp_path, DEFAULT_COLLECTION, encoder)
    assert (findings.stuck, findings.sound) == (["wide"], False)
    findings = repair(tmp_path, DEFAULT_COLLECTION, encoder)
    assert (findings.stuck, findings.lost) == (["wide"], [])
    assert check(tmp_path, DEFAULT_COLLECTION, encoder).sound
    kept = {key: value for key, value in metadata.items() if value is not None}
    with EntityIndex(tmp_path, encoder=encoder) as index:
        assert_index_holds(
            index, [*DOCUMENTS[:3], Document("Quito lies in Ecuador.", "wide", kept)]
        )
        assert index.add(DOCUMENTS[:5]).added == 2


def test_record_an_earlier_version_could_not_write_is_recovered(tmp_path, encoder, monkeypatch):
    """Its write had begun: the journal and mentions are stored, the document is in the log."""
    wide = Document("Quito lies in Ecuador.", "wide", {f"k{n}": n for n in range(6_000)})
    with monkeypatch.context() as patch, EntityIndex(tmp_path, encoder=encoder) as index:
        patch.setattr("ner_retriever_rag.index.writing.check_metadata", lambda _: None)
        index.add([*DOCUMENTS[:3], Document("Lima", "wide", {"k1": "before", "gone": [1]})])
        with pytest.raises(RuntimeError, match="record 'wide' .* more metadata than Chroma"):
            index.add([*DOCUMENTS[3:5], wide])
    findings = repair(tmp_path, DEFAULT_COLLECTION, encoder)
    assert (findings.stuck, findings.mended, findings.lost) == (["wide"], [], [])
    with EntityIndex(tmp_path, encoder=encoder) as index:
        assert_index_holds(index, [*DOCUMENTS[:5], wide])


def test_unwritable_record_of_a_foreign_collection_is_left_alone(tmp_path, encoder):
    with EntityIndex(tmp_path, encoder=encoder) as index:
        index.add(DOCUMENTS[:3])
    with closing(chromadb.PersistentClient(tmp_path)) as client:
        theirs = client.create_collection("theirs", embedding_function=None)
        with pytest.raises(chromadb.errors.InternalError):
            theirs.add(ids=["wide"], embeddings=[[1.0]], metadatas=[{"a": list(range(6_000))}])
    assert check(tmp_path, DEFAULT_COLLECTION, encoder).sound
    assert repair(tmp_path, DEFAULT_COLLECTION, encoder).stuck == []
    with EntityIndex(tmp_path, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS[:3])


def test_files_that_crash_a_process_are_reported(folder, encoder, monkeypatch):
    """They are first read in another process, so that a crash does not end this one."""
    ended, graph = [], largest_graph_file(folder, "length.bin").parent

    def ends(folder, collections):
        there = graph.exists()
        ended.append(there)
        return (f"{DEFAULT_COLLECTION}-mentions", "is ended") if there else None

    with monkeypatch.context() as patch:
        patch.setattr(crash_probe, "crashes_in", ends)
        assert check(folder, DEFAULT_COLLECTION, encoder).graphs == {graph.name: "is ended"}
        findings = repair(folder, DEFAULT_COLLECTION, encoder)
    assert ended == [True, True, False]
    # What was still in Chroma's log, and not yet in its graph, was not lost.
    assert findings.graphs == {graph.name: "is ended"}
    assert findings.mended and findings.mended == findings.incomplete
    assert check(folder, DEFAULT_COLLECTION, encoder).sound
    with EntityIndex(folder, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS)


def test_crash_probe_tells_where_a_process_comes_to_its_end(folder, tmp_path, monkeypatch):
    names = [DEFAULT_COLLECTION, f"{DEFAULT_COLLECTION}-mentions"]
    assert crash_probe.crashes_in(folder, names) is None
    script = tmp_path / "script.py"
    script.write_text("import os, sys\nprint(sys.argv[2], flush=True)\nos.kill(os.getpid(), 9)\n")
    monkeypatch.setattr(crash_probe, "__file__", str(script))
    name, problem = crash_probe.crashes_in(folder, names)
    assert name == DEFAULT_COLLECTION and "killed by the system (code -9)" in problem


def test_other_contents_of_the_folder_are_reported(folder, encoder, monkeypatch):
    """And a repair removes those that are no longer of any use."""
    monkeypatch.setattr("ner_retriever_rag.cli.check.load_encoder", lambda *_: encoder)
    monkeypatch.setattr("ner_retriever_rag.candidates.tables._MIN_SAVED", 1)
    with EntityIndex(folder, encoder=encoder) as index:
        index.search("river")
        index._place.client.create_collection("recipes", embedding_function=None)
    table = f"table-{DEFAULT_COLLECTION}"
    for name in (f"{table}~0a1b2c3d", f"{table}.0a1b2c3d.old", "damaged-before"):
        (folder / name).mkdir()
    findings = check(folder, DEFAULT_COLLECTION, encoder)
    assert findings.sound and findings.tables == {table: ""} and findings.foreign == ["recipes"]
    assert findings.leftovers == ["damaged-before", f"{table}.0a1b2c3d.old", f"{table}~0a1b2c3d"]
    (folder / table / "vectors.npy").write_bytes(b"no")
    result = CliRunner().invoke(app, ["check", str(folder)])
    assert result.exit_code == 0 and "not ours: recipes" in result.output
    assert f"stored table {table}: vectors.npy has changed since it was written" in result.output
    repair(folder, DEFAULT_COLLECTION, encoder)
    left = {each.name for each in folder.iterdir()}
    assert "damaged-before" in left and not any(each.startswith("table-") for each in left)
    assert "recipes" in {each.name for each in chromadb.PersistentClient(folder).list_collections()}
