"""An index on Chroma's hosted service: every operation stays within the service's limits."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from hashed import HashedEncoder
from hosted import HostedClient, QuotaError

from ner_retriever_rag import AnyOf, Document, EntityIndex, Not

LONG = " ".join(f"Town{n} lies in Peru." for n in range(1_500))  # 27 kB, 3,000 mentions
MANY_KEYS = {f"key{n:02}": n for n in range(60)}


@pytest.fixture
def client():
    return HostedClient()


@pytest.fixture
def index(client):
    with EntityIndex(
        client=client, collection=f"hosted-{uuid4().hex}", encoder=HashedEncoder(), max_batch=300
    ) as index:
        yield index


def test_double_rejects_what_the_service_rejects(client):
    made = client.create_collection("anything", embedding_function=None)
    with pytest.raises(QuotaError, match="document"):
        made.upsert(ids=["a"], embeddings=[[1.0]], documents=["x" * 20_000])
    with pytest.raises(QuotaError, match="limit"):
        made.get()
    with pytest.raises(QuotaError, match="collection metadata"):
        made.modify(metadata={"journal": "x" * 300})


def test_corpus_is_added_searched_and_replaced(index, client):
    documents = [Document(f"Town{n} lies in Peru near Lima.", f"d{n:03}") for n in range(700)]
    assert index.add(documents).added == 700
    assert index.add(documents).unchanged == 700
    found = index.search("city", k=5)
    assert len(found) == 5
    assert {m.text for m in index.search_mentions(AnyOf("city", "river"), k=40)}
    assert index.search(Not("river"), k=3, where={"$or": [{"n": 1}, {"n": 2}]}) == []
    assert index.entities("city", k=10)
    index.add([Document("Quito lies in Ecuador.", "d007")])
    assert index.get("d007")[0].text == "Quito lies in Ecuador."
    assert index.delete("d008") == 1 and index.count() == 699


def test_long_texts_and_large_metadata_round_trip(index):
    metadata = {
        **MANY_KEYS,
        "note": "x" * 9_000,
        "a key of more than thirty-six characters": [1, 2],
    }
    index.add([Document(LONG, "long", metadata), Document("Lima lies in Peru.", "short", {"n": 1})])
    (found,) = index.get("long")
    assert found.text == LONG and dict(found.metadata) == metadata
    for match in index.search_mentions("city", k=200, where={"key03": 3}):
        assert match.doc_id == "long" and LONG[match.start : match.end] == match.text
    assert max(m.end for m in index.search_mentions("Town1499", k=300)) > 16_384
    assert index.add([Document(LONG, "long", metadata)]).unchanged == 1
    # Parts that a shorter version no longer needs are deleted.
    parts = index._store._documents._parts.get()
    assert parts.count() > 5
    index.add([Document("Oslo lies in Norway.", "long", {"key03": 4})])
    assert parts.count() == 0
    assert dict(index.get("long")[0].metadata) == {"key03": 4}
    assert index.search("city", k=3, where={"key03": 3}) == []


def test_parts_are_deleted_with_their_document(index):
    index.add([Document(LONG, "long")])
    index.delete("long")
    assert index._store._documents._parts.get().count() == 0


def test_too_long_id_is_rejected_before_anything_is_written(index):
    with pytest.raises(ValueError, match="94 bytes"):
        index.add([Document("Lima lies in Peru.", "x" * 120)])
    assert index.count() == 0


def test_concurrent_searches_return_the_same_results(index):
    index.add([Document(f"Town{n} lies in Peru.", f"d{n:03}") for n in range(50)])
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: index.search("city", k=5), range(24)))
    assert all(answer == answers[0] for answer in answers)
