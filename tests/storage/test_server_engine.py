"""An index on a server that is searched there: leftovers of a crash, an earlier format."""

import pytest
from hashed import HashedEncoder, assert_index_holds, inconsistent_row_ids

from ner_retriever_rag import Document, EntityIndex, ShardedIndex
from ner_retriever_rag.index.check import check, repair
from ner_retriever_rag.search import engine_search
from ner_retriever_rag.storage.place import Place
from ner_retriever_rag.storage.store import Store

pytestmark = pytest.mark.slow


def test_leftovers_of_a_crash_are_removed_by_repair(server, monkeypatch):
    settings = server.get_settings()
    address = f"http://{settings.chroma_server_host}:{settings.chroma_server_http_port}"
    index = EntityIndex(address, collection="crashed", encoder=HashedEncoder())
    documents = [Document(f"Town{n} lies in Peru.", f"d{n}") for n in range(9)]
    index.add(documents)
    with monkeypatch.context() as patch:
        patch.setattr(type(index._store), "_write_records", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            index.add([Document("Lima and Oslo", "d3")])
    assert index.search("city", 20)[0].score and len(inconsistent_row_ids(index)) == 2
    assert {match.text for match in index.search("city", 20)} == {d.text for d in documents}
    found = check(address, "crashed", HashedEncoder())
    assert len(found.orphans) == 2 and not found.incomplete and not found.sound
    assert len(repair(address, "crashed", HashedEncoder()).orphans) == 2
    assert check(address, "crashed", HashedEncoder()).sound
    assert_index_holds(index, documents)


def test_index_of_an_earlier_format_is_rejected_with_a_remedy(server):
    place = Place(None, server)
    with place.opening():
        Store.within(place, "before", HashedEncoder())
    place.close()
    told = r"has format 3, .* collection='before-4'\).add\(documents\).*ner-retriever serve"
    with pytest.raises(ValueError, match=told):
        EntityIndex(client=server, collection="before", encoder=HashedEncoder())


def test_shards_on_servers_equal_a_single_index(server, monkeypatch):
    monkeypatch.setattr(engine_search, "MAX_LOCAL_MENTIONS", 100)
    shards = [
        EntityIndex(client=server, collection=f"shard{n}", encoder=HashedEncoder())
        for n in range(2)
    ]
    documents = [Document(f"Town{n} lies in Peru near Rome{n}.", f"d{n}") for n in range(60)]
    single = EntityIndex(encoder=HashedEncoder())
    for index in (sharded := ShardedIndex(shards), single):
        index.add(documents)
    found, wanted = (index.search("city", 10) for index in (sharded, single))
    assert [each.doc_id for each in found] == [each.doc_id for each in wanted]
    assert_index_holds(sharded, documents)
