"""A stored table is rebuilt after any damage; NER_DAMAGES=500 tests more cases of damage."""

import logging
import os
import random
import shutil
from dataclasses import fields

import numpy as np
import pytest
from hashed import HashedEncoder

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.candidates import table_files, tables
from ner_retriever_rag.candidates.cells import Cells
from ner_retriever_rag.candidates.table_files import leftovers, load_table, save_table

DAMAGES = int(os.environ.get("NER_DAMAGES", "60"))
DOCUMENTS = [Document(f"Town{n} lies in Peru near Lima{n % 7}.", f"d{n}") for n in range(120)]


def flip_bit(content, chance):
    place = chance.randrange(len(content))
    bit = 1 << chance.randrange(8)
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


def zero_range(content, chance):
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.choice([1, 16, 512, 4096]))
    return content[:start] + bytes(end - start) + content[end:]


KINDS = {
    "flipped": flip_bit,
    "zeroed": zero_range,
    "cut": lambda content, chance: content[: chance.randrange(len(content))],
    "longer": lambda content, chance: content + chance.randbytes(chance.randrange(1, 100)),
    "gone": None,
}


@pytest.fixture(scope="module")
def stored_table(tmp_path_factory):
    """A folder with a stored table that has cells."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch, EntityIndex(folder, encoder=HashedEncoder()) as one:
        patch.setattr(tables, "_MIN_SAVED", 1)
        patch.setattr(tables, "LARGE", 100)
        patch.setattr("ner_retriever_rag.candidates.cells.MIN_VARIANCE", 0.0)
        one.add(DOCUMENTS)
        one.search("river")
    (table,) = folder.glob("table-*")
    return table


def assert_same(one, other):
    assert one[0] == other[0]
    for field in fields(one[1]):
        a, b = getattr(one[1], field.name), getattr(other[1], field.name)
        if isinstance(a, Cells):
            for each in fields(Cells):
                np.testing.assert_array_equal(getattr(a, each.name), getattr(b, each.name))
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b or field.name == "whole"


@pytest.mark.parametrize("seed", range(DAMAGES))
def test_damaged_table_loads_unchanged_or_not_at_all(stored_table, tmp_path, seed, caplog):
    chance, table = random.Random(seed), tmp_path / stored_table.name
    shutil.copytree(stored_table, table)
    file = chance.choice(sorted(table.iterdir()))
    kind = chance.choice(list(KINDS))
    before = file.read_bytes()
    if kind == "gone":
        file.unlink()
    else:
        file.write_bytes(KINDS[kind](before, chance))
    unchanged = file.exists() and file.read_bytes() == before
    with caplog.at_level(logging.WARNING):
        found = load_table(table)
    if found is not None:
        assert_same(found, load_table(stored_table))
    assert (found is not None) or not unchanged
    if found is None and file.name != "digests.json":
        assert f"{file.name} has changed since it was written" in caplog.text


def test_stored_table_is_loaded_with_its_cells(stored_table):
    assert load_table(stored_table)[1].cells is not None


@pytest.mark.parametrize("name", ["words.npy", "vectors.npy", "table.json"])
def test_search_works_with_a_damaged_table_file(stored_table, tmp_path, name, monkeypatch):
    """The table is also rebuilt, so that the next process can read it."""
    monkeypatch.setattr(tables, "_MIN_SAVED", 1)
    folder = tmp_path / "index"
    shutil.copytree(stored_table.parent, folder)
    with EntityIndex(folder, encoder=HashedEncoder()) as index:
        answer = index.search("river")
    file = folder / stored_table.name / name
    content = file.read_bytes()
    file.write_bytes(flip_bit(content, random.Random(name)))
    with EntityIndex(folder, encoder=HashedEncoder()) as index:
        assert index.search("river") == answer
    monkeypatch.setattr(tables, "read_table", lambda *_: pytest.fail("not rebuilt before"))
    with EntityIndex(folder, encoder=HashedEncoder()) as index:
        assert index.search("river") == answer


def test_leftovers_of_a_killed_write_are_deleted_once_old(stored_table, tmp_path, monkeypatch):
    table = tmp_path / stored_table.name
    shutil.copytree(stored_table, table)
    for age, name in ((0, "new"), (7_200, "old")):
        (left := tmp_path / f"{stored_table.name}~{name}").mkdir()
        (left / "vectors.npy").write_bytes(b"half")
        then = left.stat().st_mtime - age
        os.utime(left, (then, then))
    # The table of another index whose name has the same prefix.
    other = tmp_path / f"{stored_table.name}.0a1b2c3d"
    other.mkdir()
    revision, found = load_table(table)
    save_table(found, revision, table)
    assert [each.name for each in leftovers(table)] == [f"{stored_table.name}~new"]
    assert other.exists()
    assert_same(load_table(table), load_table(stored_table))


def test_table_is_flushed_to_disk_before_it_is_renamed(stored_table, tmp_path, monkeypatch):
    flushed, moved = [], []
    real = table_files._flush
    monkeypatch.setattr(table_files, "_flush", lambda path: (flushed.append(path.name), real(path)))
    rename = os.replace
    monkeypatch.setattr(
        table_files.os, "replace", lambda *paths: (moved.append(len(flushed)), rename(*paths))
    )
    revision, found = load_table(stored_table)
    save_table(found, revision, tmp_path / "index" / stored_table.name)
    names = {each.name for each in (tmp_path / "index" / stored_table.name).iterdir()}
    assert names < set(flushed[: moved[0]]) and flushed[moved[0] :] == ["index"]
