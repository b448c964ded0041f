"""Writes that the disk does not take: a clear error, and what was reported is there."""

import shutil

import pytest
from hashed import assert_is

from ner_retriever_rag import Document, EntityIndex

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


def documents(batches):
    return [
        Document(f"Town{n} lies in Peru near Lima." * 3, id=f"d{n}") for n in range(batches * 50)
    ]


@pytest.mark.parametrize("most", [600_000, 2_000_000])
def test_a_file_that_may_not_grow(start, encoder, tmp_path, most):
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
        assert_is(index, documents(reported + 2))


def test_the_folder_is_removed(encoder, tmp_path):
    index = EntityIndex(tmp_path / "index", encoder=encoder)
    index.add(["Oslo"])
    shutil.rmtree(tmp_path / "index")
    for use in (index.count, lambda: index.add(["Rome"]), lambda: index.get("x")):
        with pytest.raises(FileNotFoundError, match="index folder .* is gone"):
            use()
