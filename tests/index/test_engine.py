"""The engine against its own rules: sharpening, the table, overlaps, pages of a result."""

import json
import shutil
from contextlib import nullcontext

import numpy as np
import pytest

from ner_retriever_rag import AllOf, Document, EntityIndex, Like, Not
from ner_retriever_rag.index import table_files, tables
from ner_retriever_rag.index.entities import joint
from ner_retriever_rag.index.revisions import Revisions
from ner_retriever_rag.index.sharpening import BEST, DOUBT, LEVEL, both_rounds, largest, sharper
from ner_retriever_rag.index.store import Store
from ner_retriever_rag.index.table_files import load_table

TEXTS = [
    "Stegosaurus lived in the Jurassic, long before Tyrannosaurus.",
    "Oslo is the capital of Norway and lies on the Oslofjord.",
    "The Nile flows through Egypt and Sudan to the Mediterranean Sea.",
    "Ada Lovelace wrote a program for the Analytical Engine of Charles Babbage.",
]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def cloud():
    rng = np.random.default_rng(1)
    return unit(rng.standard_normal((400, 16))).astype(np.float32)


def probability(similarities):
    return np.clip(similarities, 0, 1)


def test_sharpening_follows_the_stated_rule(cloud):
    query = cloud[0]
    first = cloud @ query
    best = np.argsort(-first)[:BEST]
    p = probability(first[best])
    mean = unit(p @ cloud[best])
    expected = unit(query + p.sum() / (p.sum() + DOUBT) * mean)
    assert sharper(query, cloud, first, probability) == pytest.approx(expected, abs=1e-6)


def test_without_likely_mentions_the_query_stays(cloud):
    nothing = sharper(cloud[0], cloud, cloud @ cloud[0], lambda s: np.zeros_like(s))
    assert nothing == pytest.approx(cloud[0])


def test_both_rounds_count_alike_at_one_level(cloud):
    first, second = cloud @ cloud[0], cloud @ cloud[1]
    shifted = second + np.sort(first)[-LEVEL:].mean() - np.sort(second)[-LEVEL:].mean()
    assert both_rounds(first, second) == pytest.approx((first + shifted) / 2, abs=1e-6)


@pytest.mark.parametrize("n", [1, 7, 400, 999])
def test_largest(cloud, n):
    values = cloud[:, 0]
    assert largest(values, n).tolist() == np.argsort(-values, kind="stable")[:n].tolist()


def test_answers_do_not_depend_on_the_order_of_documents(tiny_encoder):
    documents = [Document(text, f"d{n}") for n, text in enumerate(TEXTS)]
    forth, back = EntityIndex(encoder=tiny_encoder), EntityIndex(encoder=tiny_encoder)
    forth.add(documents)
    for document in reversed(documents):
        back.add([document])
    for query in ("river", AllOf("city", Not("reptile")), Like("Nile")):
        one, other = forth.search(query), back.search(query)
        assert [m.doc_id for m in one] == [m.doc_id for m in other]
        assert [m.score for m in one] == pytest.approx([m.score for m in other], abs=1e-6)


def test_sharpening_reaches_every_kind_of_search(index):
    plain = [m.score for m in index.search_mentions("river", k=20, sharpen=False)]
    assert [m.score for m in index.search_mentions("river", k=20)] != plain
    for search in (index.search, index.entities):
        sharp = [each.score for each in search("river", k=10)]
        assert sharp != [each.score for each in search("river", k=10, sharpen=False)]


def test_pages_of_a_result_join(index):
    whole = index.search("river", k=30)
    pages = [index.search("river", k=10, offset=start) for start in (0, 10, 20)]
    assert [m.doc_id for page in pages for m in page] == [m.doc_id for m in whole]
    mentions = index.search_mentions("river", k=30)
    assert index.search_mentions("river", k=10, offset=20) == mentions[20:]


def test_several_queries_at_once(index):
    queries = ["river", AllOf("city", Not("reptile"))]
    assert index.search_many(queries, k=5) == [index.search(query, k=5) for query in queries]
    with pytest.raises(TypeError, match="list of queries"):
        index.search_many("river")


def test_of_matches_that_overlap_the_best_is_listed(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("the Nile Delta in Egypt", "a")],
              spans=[[(4, 8), (4, 14), (9, 14), (18, 23)]])  # fmt: skip
    (match,) = index.search("river", score_threshold=0.0)
    spans = sorted((m.start, m.end) for m in match.matches)
    assert (18, 23) in spans
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
    best = max(index.extract(["river"], score_threshold=0, overlapping=True), key=lambda m: m.score)
    assert best.text in {m.text for m in match.matches}
    assert len(index.search("river", score_threshold=0.0, max_matches=1)[0].matches) == 1
    mentions = sorted((m.start, m.end) for m in index.search_mentions("river"))
    assert mentions == spans


def test_a_word_of_the_question_comes_after_a_name(default):
    index = EntityIndex(encoder=default)
    index.add(["A volcano is a mountain. Some volcanoes are active.", "Mount Etna lies on Sicily."])
    assert index.search_mentions("volcano", k=1)[0].text == "Mount Etna"


def test_the_table_follows_every_write(tiny_encoder):
    index, other = (EntityIndex(encoder=tiny_encoder) for _ in range(2))
    documents = [Document(text, f"d{n}") for n, text in enumerate(TEXTS)]
    index.add(documents[:3])
    assert len(index.search("river", k=9)) == 3
    index.add([Document("Oslo and the Nile.", "d0"), documents[3]])
    index.delete("d1")
    other.add([Document("Oslo and the Nile.", "d0"), *documents[2:]])
    assert index.search("river", k=9) == other.search("river", k=9)


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
def test_the_table_follows_a_write_in_whose_midst_it_was_made(tiny_encoder, monkeypatch, fails):
    """By another thread; the write may have failed after that."""
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("Lima is near.", id="a"), Document("Oslo lies there.", id="b")])
    real = Store._write_records

    def looked_at(*arguments):
        index._tables.current()
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_write_records", looked_at)
        if fails:
            patch.setattr(Store, "_delete_mentions", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError) if fails else nullcontext():
            index.add([Document("Cairo and Rome.", id="a")])
    table = index._tables.current()
    assert [table.text(each) for each in range(len(table))] == ["Cairo", "Rome", "Oslo"]


@pytest.mark.parametrize("written", [False, True], ids=["opened", "written"])
def test_the_table_follows_a_write_that_was_killed(tiny_encoder, tmp_path, monkeypatch, written):
    """The table that was made in its midst was kept, too."""
    monkeypatch.setattr(tables, "_WORTH_KEEPING", 1)
    real, killed = Store._write_records, []

    def looked_at(*arguments):
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
            patch.setattr(Store, "_write_records", looked_at)
            patch.setattr(Store, "_delete_mentions", kill)
            patch.setattr(
                "ner_retriever_rag.index.revisions.Revisions.mark",
                lambda self, ids, mark=Revisions.mark: None if killed else mark(self, ids),
            )
            index.add([Document("Cairo and Rome.", id="a")])
    with EntityIndex(tmp_path, encoder=tiny_encoder) as index:
        if written:
            index._tables._table, index._tables._revision = load_table(index._tables._folder)[::-1]
            index.add([Document("Quito.", id="c")])
        table = index._tables.current()
        found = [table.text(each) for each in range(len(table))]
        assert found == ["Cairo", "Rome", "Oslo", *["Quito"] * written]


def test_a_document_without_all_its_vectors_is_left_out(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document(text, f"d{n}") for n, text in enumerate(TEXTS)])
    index._store.mentions.delete(index._store.fetch(["d1"])["d1"].mention_ids[:1])
    index._store.revisions.renew()
    assert {m.doc_id for m in index.search("river", k=9)} == {"d0", "d2", "d3"}


def test_pages_of_documents_without_mentions(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add(["no names in here", "and none in there"])
    assert index.search("river") == []
    index.add(TEXTS)
    assert len(index.search("river")) == len(TEXTS)


def test_another_index_on_the_same_folder_sees_writes(tmp_path, tiny_encoder):
    with EntityIndex(tmp_path, encoder=tiny_encoder) as one:
        one.add(TEXTS[:2])
        with EntityIndex(tmp_path, encoder=tiny_encoder) as other:
            assert len(other.search("river")) == 2
            one.add(TEXTS[2:])
            assert other.search("river") == one.search("river")
            assert len(other.search("river")) == 4


@pytest.fixture
def kept(tmp_path, tiny_encoder, monkeypatch):
    """A folder with a kept table, and what its index answers."""
    monkeypatch.setattr(tables, "_WORTH_KEEPING", 1)
    with EntityIndex(tmp_path / "index", encoder=tiny_encoder) as index:
        index.add(TEXTS)
        answer = index.search("river")
    return tmp_path / "index", answer


def test_a_kept_table_is_read_and_not_made_again(kept, tiny_encoder, monkeypatch):
    folder, answer = kept
    monkeypatch.setattr(tables, "read_table", lambda *_: pytest.fail("made again"))
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        assert index.search("river") == answer


def test_a_kept_table_is_not_written_again_after_every_small_write(kept, tiny_encoder, monkeypatch):
    folder, _ = kept
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        index.search("river")
        with monkeypatch.context() as patch:
            patch.setattr(tables, "save_table", lambda *_: pytest.fail("written again"))
            index.add(["The Volga flows through Russia."])
            assert len(index.search("river")) == len(TEXTS) + 1
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        assert len(index.search("river")) == len(TEXTS) + 1


def test_where_a_table_cannot_be_kept_it_is_done_without(tmp_path, tiny_encoder, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(tables, "_WORTH_KEEPING", 1)
    monkeypatch.setattr(table_files.np, "savez", full)  # after the vectors
    with EntityIndex(tmp_path, encoder=tiny_encoder) as index:
        index.add(TEXTS)
        assert len(index.search("river")) == len(TEXTS)
    assert list(tmp_path.glob("table*")) == []


@pytest.mark.parametrize("harm", ["gone", "cut short", "old", "layout", "garbage"])
def test_a_kept_table_that_cannot_be_used_is_made_again(kept, tiny_encoder, harm):
    folder, answer = kept
    (table,) = folder.glob("table-*")
    if harm == "gone":
        shutil.rmtree(table)
    elif harm == "cut short":
        (table / "vectors.npy").write_bytes((table / "vectors.npy").read_bytes()[:200])
    elif harm == "garbage":
        (table / "columns.npz").write_bytes(b"no")
    elif harm == "layout":
        head = json.loads((table / "table.json").read_text())
        (table / "table.json").write_text(json.dumps({"layout": 99, "revision": head["revision"]}))
    else:
        head = json.loads((table / "table.json").read_text())
        head |= {"revision": "another", "versions": ["x"] * len(head["versions"])}
        (table / "table.json").write_text(json.dumps(head))
    with EntityIndex(folder, encoder=tiny_encoder) as index:
        assert index.search("river") == answer


def test_entities_put_the_mentions_of_a_name_together(index, encoded):
    found = {each.name: each for each in index.entities("river", k=None, score_threshold=0.0)}
    for name, entity in found.items():
        places = [(d, m) for d, one in encoded.items() for m in one.mentions if m.text == name]
        assert entity.mentions == len(places)
        assert entity.documents == sorted({doc_id for doc_id, _ in places})
    assert "Nile" in found and len(found) == len({name.casefold() for name in found})
    first = index.entities("river", k=3)
    assert [each.score for each in first] == sorted((e.score for e in first), reverse=True)


def test_spellings_of_one_name_are_one_entity(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("the Nile and Nile's NILE", "a")], spans=[[(0, 8), (13, 19), (20, 24)]])
    (entity,) = index.entities("river")
    assert entity.mentions == 3 and set(entity.names) == {"the Nile", "Nile's", "NILE"}


def test_an_entity_seen_often_is_surer():
    often, once = joint(np.array([0.8, 0.8, 0.8])), joint(np.array([0.8]))
    assert often > once == pytest.approx(0.8)
    assert joint(np.array([0.2] * 3)) < 0.2
    assert joint(np.array([0.9, 0.1])) == pytest.approx(0.5)
