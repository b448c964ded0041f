"""Writes that the disk rejects: a clear error, and everything reported as written is kept."""

import re
import shutil
import subprocess

import pytest
from hashed import assert_index_holds

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.check import check, repair
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION
from ner_retriever_rag.storage.graph_files import damaged

WRITER = """
import resource, sys
from hashed import HashedEncoder
from ner_retriever_rag import Document, EntityIndex
folder, most = sys.argv[1], int(sys.argv[2])
index = EntityIndex(folder, encoder=HashedEncoder())
if most:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
for batch in range(1_000):
    numbers = range(batch * 50, batch * 50 + 50)
    try:
        index.add([Document(f"Town{n} lies in Peru near Lima." * 3, id=f"d{n}") for n in numbers])
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        break
    print(batch, flush=True)
"""

# The disk is still full: Chroma can read only what it need not first update from its log.
READER = """
import sys
from hashed import HashedEncoder
from ner_retriever_rag import EntityIndex
folder, reported = sys.argv[1], int(sys.argv[2])
try:
    with EntityIndex(folder, encoder=HashedEncoder()) as index:
        print(len(index.get([f"d{n}" for n in range(reported * 50)])))
except RuntimeError as error:
    print(error, file=sys.stderr)
"""


def documents(batches):
    return [
        Document(f"Town{n} lies in Peru near Lima." * 3, id=f"d{n}") for n in range(batches * 50)
    ]


@pytest.mark.parametrize("most", [600_000, 2_000_000])
def test_limited_file_size_keeps_reported_documents(start, encoder, tmp_path, most):
    writer = start(WRITER, tmp_path, most)
    out, err = writer.communicate(timeout=300)
    assert writer.returncode == 0, err
    assert "could not be written" in err
    assert "is kept" in err
    reported = len(out.split())
    assert reported > 0
    with EntityIndex(tmp_path, encoder=encoder) as index:
        wanted = documents(reported)
        assert index.get([each.id for each in wanted]) == wanted
        index.add(documents(reported + 2))
        assert_index_holds(index, documents(reported + 2))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB; skipped where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted: {getattr(error, 'stderr', error)}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("filler", [0, 700_000, 1_300_000])
def test_full_disk_keeps_reported_documents(start, encoder, small_disk, filler):
    """Full at different points of a write; the index works again when there is room."""
    (small_disk / "filler").write_bytes(b"x" * filler)
    folder = small_disk / "index"
    out, err = start(WRITER, folder, 0).communicate(timeout=300)
    assert "could not be written" in err, err
    assert "is kept" in err
    reported = len(out.split())
    assert 0 < reported < 1_000
    wanted = documents(reported)
    reader = start(READER, folder, reported)
    try:
        out, err = reader.communicate(timeout=30)
        refused = r"only \d+ KiB are left on its disk.*make room|--repair"
        assert out.split() == [str(len(wanted))] or re.search(refused, err), err
    except subprocess.TimeoutExpired:  # Chroma 1.5 may wait forever for a thread that gave up
        reader.kill()
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    if damaged(folder, thorough=True):  # Chroma was writing a file of vectors at that moment
        assert repair(folder, DEFAULT_COLLECTION, encoder).lost == []
    with EntityIndex(folder, encoder=encoder) as index:
        assert index.get([each.id for each in wanted]) == wanted
        index.add(documents(reported + 2))
        assert_index_holds(index, documents(reported + 2))
    assert check(folder, DEFAULT_COLLECTION, encoder).sound


def test_removed_folder_is_reported(encoder, tmp_path):
    index = EntityIndex(tmp_path / "index", encoder=encoder)
    index.add(["Oslo"])
    shutil.rmtree(tmp_path / "index")
    for use in (index.count, lambda: index.add(["Rome"]), lambda: index.get("x")):
        with pytest.raises(FileNotFoundError, match="index folder .* is gone"):
            use()


def test_folder_removed_during_a_write_is_reported(encoder, tmp_path):
    folder = tmp_path / "index"

    def stream():
        for number, document in enumerate(documents(20)):
            if number == 600:
                shutil.rmtree(folder)
            yield document

    index = EntityIndex(folder, encoder=encoder)
    with pytest.raises(FileNotFoundError, match="index folder .* is gone"):
        index.add(stream())
    index.close()
    with EntityIndex(folder, encoder=encoder) as index:
        index.add(documents(2))
        assert_index_holds(index, documents(2))
