"""A server that goes away and comes back, and one that accepts only small batches."""

import threading
from contextlib import contextmanager

import httpx
import pytest
from chroma_server import ChromaServer
from chromadb.api.fastapi import FastAPI
from hashed import HashedEncoder, assert_index_holds

from ner_retriever_rag import Document, EntityIndex, ShardedIndex
from ner_retriever_rag.storage import retry

pytestmark = pytest.mark.slow

DOCUMENTS = [
    Document(f"Town{n} lies in Peru near Lima{n % 7} and Rome{n}.", f"d{n}", {"n": n % 10})
    for n in range(300)
]
MAX_BATCH = 7


@pytest.fixture(scope="module")
def killable_server(tmp_path_factory):
    """A server that may be killed."""
    with ChromaServer(tmp_path_factory.mktemp("own")) as server:
        server.client()
        yield server


@contextmanager
def kill_server_at(server, method, ending, *, answered, monkeypatch):
    """Kill the server at one request, and start it again a second later.

    Args:
        server: The server.
        method: The request's HTTP method.
        ending: The end of the request's path.
        answered: Whether the server has processed the request, and only its response is lost.
        monkeypatch: Used to patch the client.
    """
    send, again = FastAPI._make_request, threading.Timer(1.0, server.start)

    def cut(self, way, path, **given):
        if again.ident is not None or way.lower() != method or not path.endswith(ending):
            return send(self, way, path, **given)
        if answered:
            send(self, way, path, **given)
        server.kill()
        again.start()
        if answered:
            raise httpx.RemoteProtocolError("the server disconnected without an answer")
        return send(self, way, path, **given)

    with monkeypatch.context() as patch:
        patch.setattr(FastAPI, "_make_request", cut)
        patch.setattr(retry, "PATIENCE", 300)  # enough for a busy machine
        yield
    assert again.ident is not None, "no such request was made"
    again.join()
    server.client()


@pytest.mark.parametrize(
    ("method", "ending", "answered"),
    [
        ("post", "/get", False),
        ("post", "/upsert", False),
        ("post", "/upsert", True),
    ],
)
def test_add_continues_when_the_server_comes_back(
    killable_server, method, ending, answered, monkeypatch
):
    with EntityIndex(killable_server.address, encoder=HashedEncoder()) as index:
        index.delete(each.id for each in DOCUMENTS)
        with kill_server_at(
            killable_server, method, ending, answered=answered, monkeypatch=monkeypatch
        ):
            assert index.add(DOCUMENTS).added == len(DOCUMENTS)
        assert_index_holds(index, DOCUMENTS)
        assert not index._store.unfinished()


@pytest.mark.parametrize("ending", ["/get", "/query"])
def test_search_continues_when_the_server_comes_back(killable_server, ending, monkeypatch):
    local = EntityIndex(encoder=HashedEncoder())
    local.add(DOCUMENTS)
    with EntityIndex(killable_server.address, encoder=HashedEncoder()) as index:
        index.add(DOCUMENTS)
        with kill_server_at(
            killable_server, "post", ending, answered=False, monkeypatch=monkeypatch
        ):
            found = index.search("city", about="by the sea")
        wanted = local.search("city", about="by the sea")
        assert [each.doc_id for each in found] == [each.doc_id for each in wanted]


def test_error_for_an_unreachable_server_names_it_and_a_remedy(killable_server, monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE", 0.3)
    with EntityIndex(killable_server.address, collection="away", encoder=HashedEncoder()) as index:
        index.add(DOCUMENTS[:100])
        port = killable_server.port
        killable_server.kill()
        try:
            told = rf"127.0.0.1:{port} does not answer .*ner-retriever serve.*repeat the call"
            for call in (
                lambda: index.search("city", where={"n": 1}),
                lambda: index.add(DOCUMENTS),
                lambda: index.delete(["d1"]),
            ):
                with pytest.raises(ConnectionError, match=told):
                    call()
            with pytest.raises(ConnectionError, match=rf"{port}.*check that it is running"):
                EntityIndex(killable_server.address, encoder=HashedEncoder())
        finally:
            killable_server.start()
            killable_server.client()
        assert index.add(DOCUMENTS).added == 200
        assert_index_holds(index, DOCUMENTS)


def test_requests_to_a_busy_server_are_retried():
    answers = [429, 503, 200]

    def call():
        status = answers.pop(0)
        response = httpx.Response(status, text="busy", request=httpx.Request("get", "http://a"))
        FastAPI._raise_chroma_error(response)
        return status

    assert retry.call_with_retry(call, None) == 200 and not answers
    answers = [400, 200]
    with pytest.raises(Exception, match="busy"):
        retry.call_with_retry(call, None)
    assert answers == [200]


def limit_batch_size(monkeypatch):
    """Let the client fail on more than ``MAX_BATCH`` items in one call; return the calls seen."""
    seen = set()

    def watch(name, size):
        send = getattr(FastAPI, name)

        def call(self, *positional, **given):
            number = size(given)
            assert number is not None and number <= MAX_BATCH, (name, number)
            seen.add((name, number))
            return send(self, *positional, **given)

        monkeypatch.setattr(FastAPI, name, call)

    watch("_upsert", lambda given: len(given["ids"]))
    watch("_delete", lambda given: len(given["ids"]))
    watch("_query", lambda given: given["n_results"])
    watch("_get", lambda given: given["limit"] if given.get("ids") is None else len(given["ids"]))
    return seen


def test_max_batch_limits_writes_gets_and_queries(server, monkeypatch):
    few = DOCUMENTS[:60]
    options = {"client": server, "encoder": HashedEncoder(), "max_batch": MAX_BATCH}
    local = EntityIndex(encoder=HashedEncoder())
    local.add(few)
    some = {"n": {"$in": [4, 5]}}
    local.delete(where=some)
    seen = limit_batch_size(monkeypatch)
    for index in (
        EntityIndex(collection="small", **options),
        ShardedIndex([EntityIndex(collection=f"small{n}", **options) for n in range(2)]),
    ):
        index.add(few)
        assert index.delete(where=some) == 12
        for asked in (
            {"k": 20},
            {"k": None, "score_threshold": 0.3},
            {"k": 20, "where": {"n": {"$gte": 7}}},
            {"k": 20, "about": "by the sea"},
            {"k": 20, "about": "by the sea", "exact": True},
        ):
            found, wanted = index.search("city", **asked), local.search("city", **asked)
            assert [each.doc_id for each in found] == [each.doc_id for each in wanted]
        assert len(index.get(each.id for each in few)) == len(index) == 48
    kinds = {name for name, number in seen if number == MAX_BATCH}
    assert kinds == {"_upsert", "_delete", "_query", "_get"}
    with pytest.raises(ValueError, match="max_batch must be a positive whole number"):
        EntityIndex(**{**options, "max_batch": 0})
