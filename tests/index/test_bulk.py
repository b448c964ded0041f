"""Bulk indexing with Ray: two workers, one of which is killed while it writes."""

import json
import os
import signal
import sys

import pytest
from hashed import HashedEncoder, assert_index_holds

from ner_retriever_rag import Document, EntityIndex, ShardedIndex
from ner_retriever_rag.index.bulk import Columns, bulk_index

pytestmark = pytest.mark.slow


DOCUMENTS = [
    Document(f"Town{n} lies in Peru near Lima{n % 7} and Rome{n}.", f"d{n}", {"n": n % 10})
    for n in range(600)
]


def worker_killing_encoder(folder):
    """An encoder factory; the first worker dies between writing mentions and documents."""

    def make():
        from ner_retriever_rag.storage.store import Store

        written, write = folder / "killed", Store._write_records

        def write_records(self, rows, replaced):
            try:
                written.touch(exist_ok=False)
            except FileExistsError:
                return write(self, rows, replaced)
            (folder / "pid").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)

        if (folder / "begun").exists():  # not in the driver process
            Store._write_records = write_records
        (folder / "begun").touch()
        return HashedEncoder()

    return make


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_every_document_is_stored_once_even_if_a_worker_is_killed(ray, addresses, tmp_path):
    rows = [{"text": each.text, "id": each.id, **each.metadata} for each in DOCUMENTS]
    bad = [{"text": " ", "id": "empty", "n": 1}]
    source = ray.data.from_items([*rows[:300], *rows], override_num_blocks=8).union(
        ray.data.from_items(bad)
    )
    options = {"columns": Columns(id="id"), "workers": 2, "collection": "bulk"}
    bulk_index(source, addresses, encoder=worker_killing_encoder(tmp_path), **options)
    assert int((tmp_path / "pid").read_text()) != os.getpid()
    with ShardedIndex.open(addresses, collection="bulk", encoder=HashedEncoder()) as index:
        assert_index_holds(index, DOCUMENTS)
        single = EntityIndex(encoder=HashedEncoder())
        single.add(DOCUMENTS)
        found, expected = index.search("city", k=20), single.search("city", k=20)
        assert [match.doc_id for match in found] == [match.doc_id for match in expected]
        # Sums over two shards differ from those over one table in the last bit.
        scores = [match.score for match in expected]
        assert [match.score for match in found] == pytest.approx(scores, abs=1e-6)
    again = bulk_index(source, addresses, encoder=HashedEncoder, **options)
    assert (again.added, again.replaced) == (0, 0)
    assert [each.document for each in again.failed] == ["empty"]


def test_files_are_read_and_equal_texts_are_stored_once(ray, addresses, tmp_path):
    lines = [json.dumps({"text": each.text, "n": each.metadata["n"]}) for each in DOCUMENTS[:50]]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join(lines), encoding="utf-8")
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    bulk_index(
        paths, addresses[:1], collection="files", encoder=HashedEncoder, workers=1, max_batch=20
    )
    with EntityIndex(addresses[0], collection="files", encoder=HashedEncoder()) as index:
        assert_index_holds(
            index, [Document(each.text, None, each.metadata) for each in DOCUMENTS[:50]]
        )


def test_folders_as_shards_are_rejected(tmp_path):
    for shards in ([str(tmp_path)], [], "http://localhost:8000"):
        with pytest.raises(ValueError, match="addresses of Chroma servers"):
            bulk_index(tmp_path, shards)


def test_error_without_ray_gives_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(ImportError, match=r"pip install 'ner-retriever-rag\[ray\]'"):
        bulk_index("rows.jsonl", ["http://localhost:8000"])


def test_rows_are_converted_to_documents():
    row = {"body": "Oslo", "key": 7, "n": 1, "none": None, "#bad": 2}
    assert Columns("body", "key").document(row) == Document("Oslo", "7", {"n": 1})
    assert Columns("body").document(row).id == Document("Oslo").id
    with pytest.raises(ValueError, match="has no column 'text'"):
        Columns().document(row)
    with pytest.raises(TypeError, match="must be a string"):
        Columns("n").document(row)
