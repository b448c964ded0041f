"""Whatever interrupts a write, the next open shows only complete documents."""

import signal
import subprocess
import sys
import time

import pytest
from hashed import inconsistent_row_ids
from tiny import TEXTS

from ner_retriever_rag import AddReport, Document, EntityIndex
from ner_retriever_rag.storage.store import Store

pytestmark = pytest.mark.slow


OLD = [Document(text, id=f"d{number}") for number, text in enumerate(TEXTS)]
NEW = [Document(f"{text} And Lima.", id=f"d{number}") for number, text in enumerate(TEXTS)]
STEPS = ["_begin", "_write_mentions", "_write_records", "_delete_mentions", "_end"]


class Crash(BaseException):
    pass


def all_mentions(index):
    return index.search_mentions("city", k=None, score_threshold=0.0)


def assert_complete(index, encoder):
    """Check that the index holds exactly the mentions of one version of every document."""
    documents = index.get([f"d{number}" for number in range(len(TEXTS))])
    expected = {
        (document.id, mention.start, mention.end)
        for document, encoded in zip(
            documents, encoder.encode([each.text for each in documents]), strict=True
        )
        for mention in encoded.mentions
    }
    assert index.mention_count() == len(expected)
    assert inconsistent_row_ids(index) == index._store.leftovers()
    assert len(documents) == index.count()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("documents", [OLD, NEW], ids=["same", "changed"])
def test_crash_at_any_step_of_a_write(tiny_encoder, tmp_path, monkeypatch, step, late, documents):
    index = EntityIndex(tmp_path, encoder=tiny_encoder)
    index.add(OLD[:3])
    real = getattr(Store, step)

    def crash(self, *args):
        if late:
            real(self, *args)
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Store, step, crash)
        index.add(documents)
    again = EntityIndex(tmp_path, encoder=tiny_encoder)
    assert_complete(again, tiny_encoder)
    assert again.count() >= 3  # earlier documents are still there, in one version or the other
    again.add(documents)
    assert again.get([each.id for each in documents]) == documents
    assert_complete(again, tiny_encoder)


@pytest.mark.parametrize("step", ["_begin", "_delete_mentions", "_end"])
def test_crash_at_any_step_of_a_delete(tiny_encoder, tmp_path, monkeypatch, step):
    index = EntityIndex(tmp_path, encoder=tiny_encoder)
    index.add(OLD)

    def crash(*_):
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Store, step, crash)
        index.delete(["d1", "d2"])
    again = EntityIndex(tmp_path, encoder=tiny_encoder)
    assert_complete(again, tiny_encoder)
    again.delete(["d1", "d2"])
    assert again.count() == 3
    assert_complete(again, tiny_encoder)


def test_failed_write_does_not_affect_the_next_one(tiny_encoder, monkeypatch):
    index = EntityIndex(encoder=tiny_encoder)
    real = Store._write_records
    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Store, "_write_records", lambda *_: (_ for _ in ()).throw(Crash()))
        index.add(OLD)
    assert all_mentions(index) == []
    assert Store._write_records is real
    index.add(NEW[:2])
    assert_complete(index, tiny_encoder)


WORKER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells take it from background jobs
sys.path[:0] = [{tests!r}]
from tiny import CapitalizedWords
from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
encoder = TypeAwareEncoder({checkpoint!r}, "value@1+hidden@3", detector=CapitalizedWords())
index = EntityIndex({folder!r}, encoder=encoder)
def documents():
    for number in range(100_000):
        if number % 256 == 0:
            print(number, flush=True)
        yield Document(f"Town{{number}} lies in Peru.", id=str(number))
index.add(documents())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_killed_process(tiny_encoder, tiny_checkpoint, tmp_path, request, how):
    folder = tmp_path / "index"
    script = WORKER.format(
        tests=str(request.config.rootpath / "tests"), checkpoint=str(tiny_checkpoint),
        folder=str(folder),
    )  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in worker.stdout:
        if int(line) >= 768:
            break
    time.sleep(0.15)
    worker.send_signal(how)
    worker.communicate(timeout=60)
    assert worker.returncode != 0
    index = EntityIndex(folder, encoder=tiny_encoder)
    count = index.count()
    assert 512 <= count < 100_000
    assert index.mention_count() == 2 * count
    assert inconsistent_row_ids(index) == index._store.leftovers()
    again = (Document(f"Town{number} lies in Peru.", id=str(number)) for number in range(count))
    assert index.add(again) == AddReport(unchanged=count)


REPLACER = """
import sys
from hashed import HashedEncoder
from ner_retriever_rag import Document, EntityIndex
with EntityIndex(sys.argv[1], encoder=HashedEncoder()) as index:
    for turn in range(8):
        texts = [f"Town{turn}x{n} lies in Peru near Lima{n}." for n in range(200)]
        index.add([Document(text, id=f"d{n}") for n, text in enumerate(texts)])
    print(index.count(), index.mention_count())
"""


def test_everything_is_replaced_many_times(start, tmp_path):
    """Chroma's graph keeps deleted nodes; with few links, it crashes if all are deleted."""
    replacer = start(REPLACER, tmp_path)
    out, err = replacer.communicate(timeout=300)
    assert (replacer.returncode, out) == (0, "200 600\n"), err
