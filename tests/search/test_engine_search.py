"""An index whose mentions Chroma searches, compared with an index in a folder."""

import warnings

import numpy as np
import pytest
from engine_index import engine_index
from hashed import HashedEncoder

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Like, Not, ShardedIndex
from ner_retriever_rag.search import engine_search
from ner_retriever_rag.storage.records import RowKey

PLACES = ("Peru", "Chile", "Oslo Norway", "Nile Egypt", "Lima")
DOCUMENTS = [
    Document(f"Town{n} lies in {PLACES[n % 5]} near Rome{n % 97}.", f"d{n:03}", {"n": n % 10})
    for n in range(240)
] + [Document("nothing is named here", "bare", {"n": 3})]
QUERIES = [
    "city",
    "river",
    AnyOf("city", "river"),
    AllOf("city", Not("river")),
    Like("Nile", "Peru"),
    Like("Rome7", description="port", unlike=["Chile"]),
]


@pytest.fixture(scope="module")
def folder():
    index = EntityIndex(encoder=HashedEncoder())
    index.add(DOCUMENTS)
    return index


@pytest.fixture(scope="module", params=[1, 3])
def engine(request):
    """On one server, or as three shards."""
    shards = [engine_index(HashedEncoder()) for _ in range(request.param)]
    index = shards[0] if request.param == 1 else ShardedIndex(shards)
    index.add(DOCUMENTS)
    yield index
    index.close()


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """Few candidates, as for a large index."""
    monkeypatch.setattr(engine_search, "MAX_LOCAL_MENTIONS", 100)
    monkeypatch.setattr(engine_search, "MIN_CANDIDATES", 400)
    monkeypatch.setattr(engine_search, "CANDIDATES_PER_RESULT", 10)


def overlap(one, other):
    """Return the share of the best results of one that the other has, too."""
    return len(set(one) & set(other)) / max(1, len(one))


@pytest.mark.parametrize(
    "options",
    [{}, {"where": {"n": {"$gte": 4}}}, {"where": {"n": 7}}, {"offset": 5}, {"about": "the sea"}],
    ids=repr,
)
def test_search_agrees_with_an_index_in_a_folder(engine, folder, options, monkeypatch):
    monkeypatch.setattr(engine_search, "_MAX_FILTERED", 50)  # half are many, a tenth are few
    kept = []
    for query in QUERIES:
        found, wanted = (each.search(query, **options) for each in (engine, folder))
        kept.append(overlap([m.doc_id for m in wanted], [m.doc_id for m in found]))
        assert len(found) == len(wanted) == 10
        best = {match.doc_id: match for match in found}
        for match in wanted:
            if match.doc_id in best:
                assert best[match.doc_id].score == pytest.approx(match.score, abs=0.05)
                assert best[match.doc_id].document == match.document
    assert np.mean(kept) >= 0.9, kept


def test_document_is_scored_by_all_its_mentions(engine):
    for match in engine.search("city", score_threshold=0.0):
        spans = {(each.start, each.end) for each in match.matches}
        assert len(spans) == len(engine.encoder.encode([match.text])[0].mentions)


def test_mentions_entities_and_extract_agree_with_an_index_in_a_folder(engine, folder):
    found, wanted = (each.search_mentions("city", 20) for each in (engine, folder))
    assert overlap([m[:4] for m in map(_row, wanted)], [m[:4] for m in map(_row, found)]) >= 0.9
    found, wanted = (each.entities("city", 10, join=False) for each in (engine, folder))
    assert overlap([e.name for e in wanted], [e.name for e in found]) >= 0.8
    counts = {
        each.name: (each.mentions, each.documents)
        for each in folder.entities("city", 300, join=False)
    }
    for each in found:  # all mentions of a name, not only the nearest
        assert (each.mentions, each.documents) == counts[each.name]
    found, wanted = (
        {_row(row)[:4] for row in each.extract(["city"], score_threshold=0.6)}
        for each in (engine, folder)
    )
    assert wanted and overlap(wanted, found) >= 0.9 and overlap(found, wanted) >= 0.9
    rows = [row.doc_id for row in engine.extract(["city"], score_threshold=0.5)]
    assert rows == sorted(rows)


def _row(match):
    return match.doc_id, match.start, match.end, match.text


def test_search_above_a_threshold_has_a_limit_on_mentions(engine, folder, monkeypatch):
    best = sorted((m.score for m in folder.search("city", 200)), reverse=True)
    threshold = best[30]
    found = engine.search("city", None, score_threshold=threshold)
    wanted = folder.search("city", None, score_threshold=threshold)
    assert overlap([m.doc_id for m in wanted], [m.doc_id for m in found]) >= 0.9
    monkeypatch.setattr(engine_search, "MAX_CANDIDATES", 40)
    with pytest.warns(UserWarning, match="only the 40 mentions nearest to each type"):
        engine.search("city", None, score_threshold=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.search("city", 3, score_threshold=0.99)


def test_exact_search_scans_every_mention(engine, folder, monkeypatch):
    monkeypatch.setattr(engine_search, "MIN_CANDIDATES", 2_000)
    found, wanted = (each.search("city", exact=True) for each in (engine, folder))
    assert [match.doc_id for match in found] == [match.doc_id for match in wanted]
    assert [m.score for m in found] == pytest.approx([m.score for m in wanted], abs=1e-5)


def test_small_index_equals_an_index_in_a_folder(engine, folder, monkeypatch):
    monkeypatch.setattr(engine_search, "MAX_LOCAL_MENTIONS", 2_500)
    for query in [*QUERIES, Not("city")]:
        ids = [[m.doc_id for m in index.search(query)] for index in (engine, folder)]
        assert ids[0] == ids[1]
    assert engine.mention_count() == folder.mention_count()


def test_filter_that_chroma_rejects_is_rejected(engine):
    for ask in (engine.search, engine.search_mentions, engine.entities, engine.extract):
        with pytest.raises(ValueError, match="where: Chroma rejects"):
            ask("city" if ask != engine.extract else ["city"], where={"n": {"$foo": 2}})


def test_not_alone_is_rejected(engine):
    with pytest.raises(ValueError, match="put it into an AllOf"):
        engine.search(Not("city"))


def test_writes_of_others_are_seen_and_leftover_rows_are_not_returned(monkeypatch):
    index = engine_index(HashedEncoder())
    index.add(DOCUMENTS)
    other = EntityIndex(
        client=index._place.client, collection=index._collection, encoder=HashedEncoder()
    )
    best = index.search("city", 5, sharpen=False)
    assert other.delete([best[0].doc_id]) == 1
    now = index.search("city", 4, sharpen=False)
    assert [match.doc_id for match in now] == [match.doc_id for match in best[1:]]
    rows, told = index._store.mentions, []
    monkeypatch.setattr(type(rows), "delete", lambda self, ids: told.append(list(ids)))
    replaced = Document("nothing here but Ghent.", best[1].doc_id)
    other.add([replaced])  # as if the server went away before the old rows are deleted
    monkeypatch.undo()
    assert {RowKey.parse(each).doc_id for ids in told for each in ids} == {replaced.id}
    monkeypatch.setattr(engine_search, "MAX_LOCAL_MENTIONS", 100)
    for match in index.search("city", 200, score_threshold=0.0):
        assert match.doc_id != replaced.id or match.text == replaced.text
    assert all(m.text == "Ghent" for m in index.search_mentions("city", 900)
               if m.doc_id == replaced.id)  # fmt: skip


def test_rows_are_readable_by_any_client():
    index = engine_index(HashedEncoder())
    index.add([Document("Oslo lies in Norway.", "a")])
    rows = index._store.mentions._collection.get(include=["documents", "metadatas", "embeddings"])
    place = {(m["doc"], m["start"], m["end"]) for m in rows["metadatas"]}
    assert sorted(rows["documents"]) == ["Norway", "Oslo"]
    assert place == {("a", 0, 4), ("a", 13, 19)}
