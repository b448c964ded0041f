"""The table of all mentions follows every write, completed or not, and is stored on disk."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
from chromadb.api.models.Collection import Collection
from hashed import HashedEncoder

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.candidates import table_files, tables
from ner_retriever_rag.candidates.mention_table import table_of
from ner_retriever_rag.candidates.table_files import load_table
from ner_retriever_rag.queries.non_overlapping import NonOverlapping
from ner_retriever_rag.schema import EncodedText, Mention
from ner_retriever_rag.storage.revisions import Revisions
from ner_retriever_rag.storage.store import Store

TEXTS = [
    "Stegosaurus lived in the Jurassic, long before Tyrannosaurus.",
    "Oslo is the capital of Norway and lies on the Oslofjord.",
    "The Nile flows through Egypt and Sudan to the Mediterranean Sea.",
    "Ada Lovelace wrote a program for the Analytical Engine of Charles Babbage.",
]


def test_table_follows_every_write(tiny_encoder):
    index, other = (EntityIndex(encoder=tiny_encoder) for _ in range(2))
    documents = [Document(text, f"d{n}") for n, text in enumerate(TEXTS)]
    index.add(documents[:3])
    assert len(index.search("river", k=9)) == 3
    index.add([Document("Oslo and the Nile.", "d0"), documents[3]])
    index.delete("d1")
    other.add([Document("Oslo and the Nile.", "d0"), *documents[2:]])
    found, expected = index.search("river", k=9), other.search("river", k=9)
    assert [match.document for match in found] == [match.document for match in expected]
    for one, same in zip(found, expected, strict=True):  # encoded in other batches: to a bit or two
        assert [(m.text, m.start) for m in one.matches] == [(m.text, m.start) for m in same.matches]
        scores = [m.score for m in same.matches]
        assert [m.score for m in one.matches] == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
def test_table_built_during_a_write_follows_that_write(tiny_encoder, monkeypatch, fails):
    """Another thread builds it; the write may fail afterwards."""
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("Lima is near.", id="a"), Document("Oslo lies there.", id="b")])
    real = Store._write_records

    def build_table_then_write(*arguments):
        index._tables.current()
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_write_records", build_table_then_write)
        if fails:
            patch.setattr(Store, "_delete_mentions", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError) if fails else nullcontext():
            index.add([Document("Cairo and Rome.", id="a")])
    table = index._tables.current()
    assert [table.text(each) for each in range(len(table))] == ["Cairo", "Rome", "Oslo"]


@pytest.mark.parametrize("written", [False, True], ids=["opened", "written"])
def test_table_follows_a_killed_write(tiny_encoder, tmp_path, monkeypatch, written):
    """The table built in the middle of the write was stored, too."""
    monkeypatch.setattr(tables, "_MIN_SAVED", 1)
    real, killed = Store._write_records, []

    def build_table_then_write(*arguments):
        with EntityIndex(tmp_path, encoder=tiny_encoder) as other:
            other._tables.current()
        real(*arguments)
        killed.append(True)

    class Kill(BaseException):
        pass

    def kill(*_):
        raise Kill

    with EntityIndex(tmp_path, encoder=tiny_encoder) as index:
        index.add([Document("Lima is near.", id="a"), Document("Oslo lies there.", id="b")])
        with monkeypatch.context() as patch, pytest.raises(Kill):
            patch.setattr(Store, "_write_records", build_table_then_write)
            patch.setattr(Store, "_delete_mentions", kill)
            patch.setattr(
                "ner_retriever_rag.storage.revisions.Revisions.mark",
                lambda *given, mark=Revisions.mark: {} if killed else mark(*given),
            )
            index.add([Document("Cairo and Rome.", id="a")])
    with EntityIndex(tmp_path, encoder=tiny_encoder) as index:
        if written:
            index._tables._table, index._tables._revision = load_table(index._tables._folder)[::-1]
            index.add([Document("Quito.", id="c")])
        table = index._tables.current()
        found = [table.text(each) for each in range(len(table))]
        assert found == ["Cairo", "Rome", "Oslo", *["Quito"] * written]


def test_document_with_missing_vectors_is_left_out(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document(text, f"d{n}", {"n": n}) for n, text in enumerate(TEXTS)])
    index._store.mentions.delete(index._store.fetch(["d1"])["d1"].row_ids(4)[:1])
    index._store.revisions.renew()
    assert {m.doc_id for m in index.search("river", k=9)} == {"d0", "d2", "d3"}
    few = index.search("river", k=9, where={"n": {"$lt": 2}})  # which d1 passes
    assert {m.doc_id for m in few} == {"d0"}


def test_another_index_on_the_same_folder_sees_writes(tmp_path, tiny_encoder):
    with EntityIndex(tmp_path, encoder=tiny_encoder) as one:
        one.add(TEXTS[:2])
        with EntityIndex(tmp_path, encoder=tiny_encoder) as other:
            assert len(other.search("river")) == 2
            one.add(TEXTS[2:])
            assert other.search("river") == one.search("river")
            assert len(other.search("river")) == 4


@pytest.fixture
def stored_table(tmp_path, tiny_encoder, monkeypatch):
    """A folder with a stored table, and its index's answer to a query."""
    monkeypatch.setattr(tables, "_MIN_SAVED", 1)
    with EntityIndex(tmp_path / "index", encoder=tiny_encoder) as index:
        index.add(TEXTS)
        answer = index.search("river")
    return tmp_path / "index", answer


def test_stored_table_is_loaded_instead_of_rebuilt(stored_table, tiny_encoder, monkeypatch):
    folder, answer = stored_table
    monkeypatch.setattr(tables, "read_table", lambda *_: pytest.fail("rebuilt instead of loaded"))
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        assert index.search("river") == answer


def test_table_is_built_once_and_memory_mapped_by_all(tmp_path, tiny_encoder, monkeypatch):
    monkeypatch.setattr(tables, "_MIN_SAVED", 1)
    made, read_table = [], tables.read_table

    def slowly(*arguments):
        made.append(arguments)
        time.sleep(0.3)
        return read_table(*arguments)

    monkeypatch.setattr(tables, "read_table", slowly)
    with EntityIndex(tmp_path, encoder=tiny_encoder) as index:
        index.add(TEXTS)
        # As in four processes: each has its own ``Tables`` on the same store.
        each = [
            tables.Tables(index._store, index.encoder.dim, tmp_path / "table-x") for _ in "1234"
        ]
        with ThreadPoolExecutor(4) as pool:
            current = list(pool.map(lambda one: one.current(), each))
    assert len(made) == 1
    assert all(
        isinstance(one.vectors, np.memmap) and len(one) == len(current[0]) for one in current
    )


def test_mention_rows_are_not_read_if_a_table_is_stored(stored_table, tiny_encoder, monkeypatch):
    folder, answer = stored_table
    read, asked = [], Collection.count

    def counted(collection):
        read.append(collection.name)
        return asked(collection)

    monkeypatch.setattr(Collection, "count", counted)
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        assert index.search("river") == answer
        assert not any(name.endswith("-mentions") for name in read)  # their graph is not loaded
        index.add(["The Volga flows through Russia."])
        index.search("river")
    assert read[-1].endswith("-mentions") and read.count(read[-1]) == 1


def test_stored_table_is_not_rewritten_after_every_small_write(
    stored_table, tiny_encoder, monkeypatch
):
    folder, _ = stored_table
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        index.search("river")
        with monkeypatch.context() as patch:
            patch.setattr(tables, "save_table", lambda *_: pytest.fail("rewritten"))
            index.add(["The Volga flows through Russia."])
            assert len(index.search("river")) == len(TEXTS) + 1
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        assert len(index.search("river")) == len(TEXTS) + 1


def test_search_works_if_the_table_cannot_be_stored(tmp_path, tiny_encoder, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(tables, "_MIN_SAVED", 1)
    monkeypatch.setattr(table_files, "_write_digests", full)  # called after the columns are written
    with EntityIndex(tmp_path, encoder=tiny_encoder) as index:
        index.add(TEXTS)
        assert len(index.search("river")) == len(TEXTS)
    assert list(tmp_path.glob("table*")) == []


@pytest.mark.parametrize("harm", ["gone", "cut short", "old", "layout", "garbage"])
def test_unusable_stored_table_is_rebuilt(stored_table, tiny_encoder, harm):
    folder, answer = stored_table
    (table,) = folder.glob("table-*")
    if harm == "gone":
        shutil.rmtree(table)
    elif harm == "cut short":
        (table / "vectors.npy").write_bytes((table / "vectors.npy").read_bytes()[:200])
    elif harm == "garbage":
        (table / "words.npy").write_bytes(b"no")
    elif harm == "layout":
        head = json.loads((table / "table.json").read_text())
        (table / "table.json").write_text(json.dumps({"layout": 99, "revision": head["revision"]}))
    else:
        head = json.loads((table / "table.json").read_text())
        head |= {"revision": "another", "versions": ["x"] * len(head["versions"])}
        (table / "table.json").write_text(json.dumps(head))
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        assert index.search("river") == answer


@pytest.mark.parametrize("seed", range(20))
def test_overlaps_match_pairwise_comparison(seed):
    chance = np.random.default_rng(seed)
    text, index = "Word " * 20, EntityIndex(encoder=HashedEncoder())
    places = [
        sorted(chance.integers(0, 99, (chance.integers(0, 12), 2)).tolist()) for _ in range(8)
    ]
    spans = [[(min(a, b), max(a, b) + 1) for a, b in one] for one in places]
    index.add([Document(text, f"d{n}") for n in range(len(spans))], spans=spans)
    table = index._tables.current()
    every = [(int(table.owner[n]), *table.span(n)) for n in range(len(table))]
    assert table.overlaps.tolist() == [
        any(
            one != other and one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
            for other in every
        )
        for one in every
    ]
    order, apart = chance.permutation(len(table)).tolist(), NonOverlapping()
    taken = [n for n in order if apart.take(int(table.owner[n]), table.span(n))]
    assert list(table.non_overlapping(order)) == taken


def test_named_mentions_have_a_capital_letter_a_digit_or_a_symbol():
    text = "Ada ran build with --no-cache, -rf and config.yaml; élan, Élan, v2, well-known."
    words = ["Ada", "build", "--no-cache", "-rf", "config.yaml", "élan", "Élan", "v2", "well-known"]
    spans = [(text.index(word), text.index(word) + len(word)) for word in words]
    mentions = [Mention(word, *span) for word, span in zip(words, spans, strict=True)]
    one = EncodedText(mentions, np.eye(len(words), 16, dtype=np.float32))
    table, _ = table_of([Document(text, "a")], [one], 16)
    named = {table.text(n) for n in np.flatnonzero(table.named).tolist()}
    assert named == {"Ada", "--no-cache", "-rf", "config.yaml", "Élan", "v2"}
