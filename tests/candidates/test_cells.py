"""The inverted file: recall of coarse search, updates after writes, rebuilding if missing."""

from dataclasses import replace
from string import ascii_lowercase

import numpy as np
import pytest
from unit_vectors import low_dimensional_types, unit

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.candidates import cells as cells_module
from ner_retriever_rag.candidates import table_files, tables
from ner_retriever_rag.candidates.cells import Cells

DIM, MENTIONS = 64, 20_000
NAMES = [f"Name{letter}" for letter in ascii_lowercase]


@pytest.fixture(scope="module")
def types():
    return low_dimensional_types(200, DIM)


def mentions_of(types, n, seed):
    rng = np.random.default_rng(seed)
    return unit(types[rng.integers(0, len(types), n)] + 0.05 * rng.standard_normal((n, DIM)))


@pytest.fixture(scope="module")
def vectors(types):
    return mentions_of(types, MENTIONS, seed=1)


@pytest.fixture(scope="module")
def cells(vectors):
    return Cells.make(vectors)


def mean_recall(cells, vectors, types, wanted=100, stored_table=400):
    """Mean recall of a coarse search on the mentions nearest to types."""
    shares = []
    for query in types[::10]:
        scanned = cells.scan(query, len(vectors) // 4)
        near = scanned.mentions[np.argsort(-scanned.values)[:stored_table]]
        best = np.argsort(-(vectors @ query))[:wanted]
        shares.append(len(np.intersect1d(near, best)) / wanted)
    return np.mean(shares)


def assert_consistent(cells, vectors):
    """Assert that cells hold all mentions, correctly projected, in the nearest cell (sampled)."""
    assert sorted(cells.mentions.tolist()) == list(range(len(vectors)))
    assert cells.fit(vectors)
    assert cells.rough == pytest.approx(vectors[cells.mentions] @ cells.axes, abs=1e-5)
    of = np.repeat(np.arange(len(cells.centres)), np.diff(cells.first))
    distances = ((cells.rough[::50, None] - cells.centres) ** 2).sum(axis=-1)
    assert distances[np.arange(len(distances)), of[::50]] == pytest.approx(
        distances.min(axis=1), abs=1e-5
    )


def test_coarse_search_finds_the_nearest_mentions(cells, vectors, types):
    assert_consistent(cells, vectors)
    assert mean_recall(cells, vectors, types) > 0.99
    assert len(cells.scan(types[0], MENTIONS // 4).mentions) < MENTIONS // 2
    assert len(cells.scan(types[0], MENTIONS).mentions) == MENTIONS
    assert cells.rough.nbytes <= vectors.nbytes * 3 // 8


def test_no_cells_for_vectors_that_span_all_dimensions():
    assert Cells.make(unit(np.random.default_rng(0).standard_normal((5_000, DIM)))) is None


def test_cells_follow_writes(cells, vectors, types):
    new = mentions_of(types, 500, seed=2)
    origins = np.concatenate([np.arange(3_000, MENTIONS), np.full(500, -1)])
    origins = np.random.default_rng(3).permutation(origins)
    now = np.where(origins[:, None] < 0, 0, vectors[origins])
    now[origins < 0] = new
    after = cells.follow(now, origins)
    assert np.array_equal(after.centres, cells.centres)
    assert_consistent(after, now)
    assert mean_recall(after, now, types) > 0.99


@pytest.mark.parametrize("times", [0.4, 3])
def test_cells_are_rebuilt_when_the_table_size_changes_a_lot(cells, vectors, types, times):
    now = mentions_of(types, int(times * MENTIONS), seed=4)
    after = cells.follow(now, np.full(len(now), -1))
    assert int(after.made_of) == len(now)
    assert len(after.centres) != len(cells.centres)


@pytest.fixture
def large(monkeypatch):
    """Lower the thresholds, so that a table of fifty mentions counts as large."""
    monkeypatch.setattr(tables, "LARGE", 50)
    monkeypatch.setattr(tables, "_MIN_SAVED", 50)
    monkeypatch.setattr(cells_module, "MIN_VARIANCE", 0.0)


@pytest.fixture
def stored_table(large, encoder, tmp_path):
    """An index, and a function that opens its stored tables as another process would."""
    index = EntityIndex(encoder=encoder)
    index.add(f"{NAMES[n % 26]} and {NAMES[n % 11]} and {NAMES[n % 7]}, {n}" for n in range(60))
    store = index._search._store
    return index, lambda: tables.Tables(store, encoder.dim, tmp_path / "table")


def test_cells_are_consistent_after_every_write(stored_table):
    index, opened = stored_table
    here = opened()
    assert_consistent(here.current().cells, here.current().vectors)
    centers = here.current().cells.centres
    index.add(["Some Names are New.", f"{NAMES[3]} is Old"])
    assert_consistent(here.current().cells, here.current().vectors)
    index.delete(index.search(NAMES[3], k=1)[0].doc_id)
    assert_consistent(here.current().cells, here.current().vectors)
    assert np.array_equal(here.current().cells.centres, centers)
    assert_consistent(opened().current().cells, here.current().vectors)


@pytest.mark.parametrize("damage", ["missing", "cut", "of another table"])
def test_missing_or_damaged_cell_files_are_rebuilt(stored_table, tmp_path, damage):
    _, opened = stored_table
    table = opened().current()
    file = tmp_path / "table" / "cells.rough.npy"
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:60])
    else:
        np.save(file, np.array(table.cells.rough[1:]))  # np.array copies: saving truncates the map
    assert table_files.load_table(tmp_path / "table") is None  # fails the integrity check
    assert_consistent(opened().current().cells, table.vectors)
    _, again = table_files.load_table(tmp_path / "table")
    assert_consistent(again.cells, table.vectors)


def test_table_of_an_older_version_gets_cells(stored_table, tmp_path):
    _, opened = stored_table
    table = opened().current()
    revision, _ = table_files.load_table(tmp_path / "table")
    table_files.save_table(replace(table, cells=None), revision, tmp_path / "table")
    assert table_files.load_table(tmp_path / "table")[1].cells is None
    assert_consistent(opened().current().cells, table.vectors)
