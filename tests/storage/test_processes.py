"""Several processes on one folder: one writer, or any number of readers."""

import json
import os
import signal
import subprocess

import pytest
from filelock import FileLock
from hashed import assert_index_holds, inconsistent_row_ids

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.storage import lock

pytestmark = pytest.mark.slow


RUNS = int(os.environ.get("NER_PROCESS_RUNS", "2"))
SIZE = 1_500
DOCUMENTS = [
    Document(f"Town{number} lies in Peru near Lima{number % 7}.", id=f"d{number}")
    for number in range(SIZE)
]

WRITER = """
import sys, time
from hashed import HashedEncoder
from ner_retriever_rag import Document, EntityIndex
folder, size, done = sys.argv[1], int(sys.argv[2]), sys.argv[3]
index = EntityIndex(folder, encoder=HashedEncoder())
def documents():
    for number in range(size):
        yield Document(f"Town{number} lies in Peru near Lima{number % 7}.", id=f"d{number}")
deadline = time.time() + 240
while True:
    try:
        print(index.add(documents()).added)
        break
    except RuntimeError as error:  # openers have it open
        assert "cannot be written while another process has it open (pid" in str(error), error
        assert time.time() < deadline
        time.sleep(0.005)
index.close()
open(done, "w").close()
"""

OPENER = """
import json, pathlib, sys, time
from hashed import HashedEncoder, inconsistent_documents
from ner_retriever_rag import EntityIndex
folder, done = sys.argv[1], pathlib.Path(sys.argv[2])
opened = refused = 0
wrong = []
last = False
while not last:
    last = done.exists()
    began = time.time()
    try:
        index = EntityIndex(folder, encoder=HashedEncoder())
    except RuntimeError as error:
        assert "is being written by another process (pid" in str(error), error
        assert "ner-retriever serve" in str(error), error
        refused += 1
        time.sleep(0.01)
        continue
    opened += 1
    wrong += inconsistent_documents(index)
    index.close()
    # Longer than it was open, or on a slow machine one of six always is and the writer never may.
    time.sleep(max(0.05, 2 * (time.time() - began)))
print(json.dumps({"opened": opened, "refused": refused, "wrong": wrong}))
"""

HOLDER = """
import sys
from hashed import HashedEncoder
from ner_retriever_rag import Document, EntityIndex
index = EntityIndex(sys.argv[1], encoder=HashedEncoder())
if sys.argv[2] == "writes":
    index.add([Document("Lima", id="theirs")])
print(index.count(), flush=True)
sys.stdin.readline() if sys.stdin else None
import time; time.sleep(600)
"""


@pytest.mark.parametrize("run", range(RUNS))
def test_a_writer_and_six_openers(start, encoder, tmp_path, run):
    folder, done = tmp_path / "index", tmp_path / "done"
    EntityIndex(folder, encoder=encoder).close()
    openers = [start(OPENER, folder, done) for _ in range(6)]
    writer = start(WRITER, folder, SIZE, done)
    out, err = writer.communicate(timeout=300)
    assert (writer.returncode, out.strip()) == (0, str(SIZE)), err
    for opener in openers:
        out, err = opener.communicate(timeout=300)
        assert opener.returncode == 0, err
        report = json.loads(out)
        assert report["wrong"] == []
        assert report["opened"] >= 1
    with EntityIndex(folder, encoder=encoder) as index:
        assert_index_holds(index, DOCUMENTS)


def test_writer_is_rejected_while_another_process_reads(start, encoder, tmp_path):
    with EntityIndex(tmp_path, encoder=encoder) as index:
        index.add(["Oslo"])
    reader = start(HOLDER, tmp_path, "reads")
    assert reader.stdout.readline() == "1\n"
    index = EntityIndex(tmp_path, encoder=encoder)  # two readers are allowed
    for _ in range(2):
        with pytest.raises(RuntimeError, match=rf"open \(pid {reader.pid} reads\).*serve"):
            index.add(["Rome"])
    assert index.count() == 1  # and it can still read
    reader.kill()
    reader.wait()
    assert index.add(["Rome"]).added == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_writer_that_dies_releases_the_lock(start, encoder, tmp_path, how):
    writer = start(HOLDER, tmp_path, "writes")
    assert writer.stdout.readline() == "1\n"
    with pytest.raises(RuntimeError, match=rf"written by another process \(pid {writer.pid} wri"):
        EntityIndex(tmp_path, encoder=encoder)
    writer.send_signal(how)
    writer.wait()
    with EntityIndex(tmp_path, encoder=encoder) as index:
        assert index.add([Document("Lima", id="theirs"), "Oslo"]).unchanged == 1


def test_timeout_while_opening_suggests_a_remedy(encoder, tmp_path, monkeypatch):
    EntityIndex(tmp_path, encoder=encoder).close()
    monkeypatch.setattr(lock, "_GATE_SECONDS", 0.05)
    with FileLock(tmp_path / lock.GATE_FILE):
        with pytest.raises(RuntimeError, match="opening the index .* ner-retriever serve"):
            EntityIndex(tmp_path, encoder=encoder)
    EntityIndex(tmp_path, encoder=encoder).close()


def test_child_process_of_the_writer_does_not_keep_the_lock(start, encoder, tmp_path):
    index = EntityIndex(tmp_path, encoder=encoder)
    index.add(["Oslo"])
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        index.close()
        reader = start(HOLDER, tmp_path, "writes")
        assert reader.stdout.readline() == "2\n"
    finally:
        child.kill()
        child.wait()


def test_indexes_of_one_process_share_the_folder(start, encoder, tmp_path):
    one = EntityIndex(tmp_path, encoder=encoder)
    two = EntityIndex(f"{tmp_path}/../{tmp_path.name}", encoder=encoder)
    one.add(["Oslo"])
    two.add(["Rome"])
    assert one.count() == two.count() == 2
    one.close()
    with pytest.raises(RuntimeError, match="the index is closed"):
        one.search("city")
    assert two.add(["Lima"]).added == 1
    refused = start(HOLDER, tmp_path, "reads")
    assert "is being written by another process" in refused.communicate(timeout=60)[1]
    three = EntityIndex(tmp_path, encoder=encoder)
    two.close()  # the last writer; the remaining index only reads
    reader = start(HOLDER, tmp_path, "reads")
    assert reader.stdout.readline() == "3\n"
    assert three.count() == 3


def test_unreferenced_index_is_closed(start, encoder, tmp_path):
    rows = EntityIndex(tmp_path, encoder=encoder)._store.pages(None, 1)
    EntityIndex(tmp_path, encoder=encoder).add(["Oslo", "Rome"])
    assert len(list(rows)) == 2  # an unfinished read keeps it open
    del rows
    assert start(HOLDER, tmp_path, "writes").stdout.readline() == "3\n"


def test_opening_changes_nothing(encoder, tmp_path, monkeypatch):
    from ner_retriever_rag.storage.store import Store

    index = EntityIndex(tmp_path, encoder=encoder)
    index.add(DOCUMENTS[:3])
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(Store, "_write_records", lambda *_: 1 / 0)
        index.add(DOCUMENTS[3:9])
    raw = index._store.row_ids()
    again = EntityIndex(tmp_path, encoder=encoder)  # during a write, as far as it knows
    assert again.count() == 3
    assert_index_holds(again, DOCUMENTS[:3])
    assert sorted(index._store.row_ids()) == sorted(raw) and inconsistent_row_ids(index)
    again.add(DOCUMENTS[3:4])
    assert_index_holds(index, DOCUMENTS[:4])


def test_write_starts_from_the_current_journal(encoder, tmp_path, monkeypatch):
    from ner_retriever_rag.storage.store import Store

    early = EntityIndex(tmp_path, encoder=encoder)
    early.count()
    late = EntityIndex(tmp_path, encoder=encoder)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(Store, "_write_records", lambda *_: 1 / 0)
        late.add(DOCUMENTS[:5])
    early.add(DOCUMENTS[5:7])
    assert not inconsistent_row_ids(early)
    assert_index_holds(late, DOCUMENTS[5:7])


FORKER = """
import os, sys, traceback
from hashed import HashedEncoder
from ner_retriever_rag import EntityIndex
folder = sys.argv[1] or None
index = EntityIndex(folder, encoder=HashedEncoder())
index.add(["Oslo", "Rome"])
child = os.fork()
if child == 0:
    try:
        for use in (
            index.count,
            lambda: index.search("city"),
            lambda: index.add(["Lima"]),
            lambda: EntityIndex(folder, encoder=HashedEncoder()),
        ):
            try:
                use()
            except RuntimeError as error:
                assert "opened before a fork" in str(error), error
            else:
                raise AssertionError("used after a fork")
        del index
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    sys.exit(0)  # with everything an interpreter does at its end
_, status = os.waitpid(child, 0)
assert index.count() == 2
assert index.add(["Lima"]).added == 1
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("where", ["folder", "memory"])
def test_index_cannot_be_used_after_a_fork(start, tmp_path, where):
    """Chroma's thread pool belongs to the parent; a child would wait for it forever."""
    forker = start(FORKER, tmp_path if where == "folder" else "")
    _, err = forker.communicate(timeout=120)
    assert forker.returncode == 0, err
