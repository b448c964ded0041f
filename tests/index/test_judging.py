"""Relevance judgments: stored with an index, and used by its searches."""

import chromadb
import pytest
from engine_index import engine_index
from hashed import CalibratedEncoder, HashedEncoder

from ner_retriever_rag import Document, EntityIndex, Like
from ner_retriever_rag.index.matching import match_documents
from ner_retriever_rag.index.sharded_index import ShardedIndex
from ner_retriever_rag.schema import JudgeReport
from ner_retriever_rag.search import engine_search
from ner_retriever_rag.storage.roles import index_names

NAMES = ["Nile", "Oslo", "Ada", "Stegosaurus", "Egypt", "Sudan", "Norway", "Babbage"]
DOCUMENTS = [
    Document(f"we saw {NAMES[n % 8]} and {NAMES[(3 * n + 1) % 8]}, {n}.", id=f"d{n}")
    for n in range(24)
]


@pytest.fixture(params=["folder", "engine", "large engine"])
def index(request, monkeypatch):
    """With its mentions in a table, or searched by Chroma: all, or only the nearest."""
    if request.param == "folder":
        index = EntityIndex(encoder=CalibratedEncoder())
    else:
        index = engine_index(CalibratedEncoder())
    if request.param == "large engine":
        monkeypatch.setattr(engine_search, "MAX_LOCAL_MENTIONS", 0)
    index.add(DOCUMENTS)
    return index


def ids(matches):
    return [each.doc_id for each in matches]


def test_right_documents_rise_and_wrong_ones_fall(index) -> None:
    before = index.search("error code", k=24)
    last, first = before[-3:], before[:3]
    report = index.judge("error code", right=last, wrong=first)
    assert report == JudgeReport(3, 3)
    all_found = ids(index.search("error code", k=None))
    assert set(all_found[:3]) == set(ids(last))
    best = {each.doc_id: each.matches[0] for each in before}
    after = {each.doc_id: each.score for each in index.search("error code", k=24)}
    for match in first:
        assert after[match.doc_id] < best[match.doc_id].score
    assert index.search_mentions("error code", k=1)[0].doc_id in ids(last)
    again = index.search(" Error  CODE ", k=3)  # case and spaces are ignored
    assert set(ids(again)) == set(ids(last))


def test_other_types_are_not_affected(index) -> None:
    others = ["river", Like("Nile")]
    before = [[(m.doc_id, m.score) for m in index.search(query, k=24)] for query in others]
    index.judge("error code", right=["d1"], wrong=["d2"])
    assert [[(m.doc_id, m.score) for m in index.search(query, k=24)] for query in others] == before


def test_judged_types_are_reranked_as_well(shipped_encoder) -> None:
    index = EntityIndex(encoder=shipped_encoder)
    index.add(["The Nile flows north.", "Oslo lies on a fjord.", "Ada wrote to the Thames board."])

    def scores(rerank):
        found = index.search_mentions("river", k=None, score_threshold=0.0, rerank=rerank)
        return {(each.doc_id, each.start): each.score for each in found}

    assert scores(None) != scores(0)
    (best,) = index.search_mentions("river", k=1)
    index.judge("river", right=[best])
    judged = scores(None)
    assert judged.keys() == scores(0).keys() and judged != scores(0)
    assert judged[best.doc_id, best.start] == max(judged.values()) > 0.99


def test_forgetting_judgments_restores_the_results(index) -> None:
    before = [(m.doc_id, m.score) for m in index.search("error code", k=24)]
    index.judge("error code", right=["d1", "d4"], wrong=["d2"])
    assert [(m.doc_id, m.score) for m in index.search("error code", k=24)] != before
    assert index.forget_judgements("error code") == 3
    assert [(m.doc_id, m.score) for m in index.search("error code", k=24)] == before
    assert index.judged() == {}
    assert index.forget_judgements("error code") == 0


def test_later_judgment_of_a_mention_replaces_the_earlier_one(index) -> None:
    mention = index.search_mentions("error code", k=1)[0]
    assert index.judge("error code", wrong=[mention]) == JudgeReport(0, 1)
    assert index.judge("error code", right=[mention]) == JudgeReport(1, 0)
    assert index.search_mentions("error code", k=1)[0].score > 0.9


def test_given_threshold_overrides_the_default_one(index) -> None:
    index.judge("error code", right=["d1"], wrong=["d2", "d3"])
    given = index.search("error code", k=None, score_threshold=0.0)
    assert len(given) == 24
    assert len(index.search("error code", k=None)) < 24


def test_judgments_are_stored_in_the_folder(tmp_path) -> None:
    with EntityIndex(tmp_path, encoder=CalibratedEncoder()) as index:
        index.add(DOCUMENTS)
        index.judge("error code", right=["d1", "d4"], wrong=["d2"])
        found = [(m.doc_id, pytest.approx(m.score, abs=1e-5)) for m in index.search("error code")]
        other = EntityIndex(
            tmp_path, encoder=CalibratedEncoder()
        )  # a second handle on the same folder
        assert [(m.doc_id, m.score) for m in other.search("error code")] == found
        index.judge("error code", right=["d7"])
        assert "d7" in ids(other.search("error code", k=3))
        other.close()
        judged = index.judged()
    with EntityIndex.open(tmp_path, encoder=CalibratedEncoder()) as index:
        assert index.judged() == judged
        assert judged["error code"].right == 3
        index.delete(["d1", "d2"])
        index.add(["The Volga and Perm."])
        assert "d4" in ids(index.search("error code", k=2))
        assert index.count() == 23


def test_match_documents_uses_judgments_of_the_index(index) -> None:
    index.judge("error code", right=["d1"], wrong=["d2"])
    told = match_documents(
        index.encoder, DOCUMENTS, "error code", judged=index._search.judgements_of
    )
    assert max(told, key=lambda match: match.score).doc_id == "d1"


def test_shards_share_their_judgments() -> None:
    shards = [EntityIndex(encoder=CalibratedEncoder()) for _ in range(2)]
    index = ShardedIndex(shards)
    index.add(DOCUMENTS)
    index.judge("error code", right=["d1", "d4", "d6"])
    assert index.judged() == {"error code": JudgeReport(3, 0)}
    assert set(ids(index.search("error code", k=3))) == {"d1", "d4", "d6"}


def test_invalid_judgments_are_rejected(index) -> None:
    for answers, error, said in [
        ({}, ValueError, "give right"),
        ({"right": "d1"}, TypeError, "right must be a list"),
        ({"right": ["nowhere"]}, ValueError, "'nowhere' is not in the index"),
        ({"right": [7]}, TypeError, "can be judged, not int"),
        ({"right": ["d1"], "wrong": ["d1"]}, ValueError, "both right and wrong"),
    ]:
        with pytest.raises(error, match=said):
            index.judge("error code", **answers)
    with pytest.raises(ValueError, match="description is empty"):
        index.judge(" ", right=["d1"])
    assert index.judged() == {}
    uncalibrated = EntityIndex(encoder=HashedEncoder())
    uncalibrated.add(DOCUMENTS)
    with pytest.raises(ValueError, match="this one has none"):
        uncalibrated.judge("error code", right=["d1"])


def test_collection_of_judgments_is_told_from_other_collections(tmp_path) -> None:
    with EntityIndex(tmp_path, collection="news", encoder=CalibratedEncoder()) as index:
        index.add(DOCUMENTS)
        index.judge("error code", right=["d1"])
        with pytest.raises(ValueError, match="holds the judgements of"):
            EntityIndex(tmp_path, collection="news-judged", encoder=CalibratedEncoder())
        assert index_names(tmp_path) == ["news"]
    with pytest.raises(ValueError, match="an index makes itself"):
        EntityIndex(tmp_path, collection="old-judged", encoder=CalibratedEncoder())
    client = chromadb.EphemeralClient()
    client.create_collection("theirs-judged", embedding_function=None)
    index = EntityIndex(client=client, collection="theirs", encoder=CalibratedEncoder())
    index.add(DOCUMENTS)
    assert index.judged() == {}
    with pytest.raises(ValueError, match="something else"):
        index.judge("error code", right=["d1"])
