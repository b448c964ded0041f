"""The same index on a Chroma server, over HTTP on the loopback address."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import chromadb
import pytest
from tiny import TEXTS

from ner_retriever_rag import Document, EntityIndex

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chroma = Path(sys.executable).with_name("chroma")
    folder = tmp_path_factory.mktemp("server")
    server = subprocess.Popen(
        [chroma, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            try:
                client = chromadb.HttpClient("127.0.0.1", port)
                break
            except Exception:
                assert server.poll() is None, "the Chroma server stopped"
                time.sleep(0.1)
        else:
            pytest.fail("the Chroma server did not start")
        yield client
    finally:
        server.terminate()
        server.wait()


def test_index_on_a_server(client, tiny_encoder):
    index = EntityIndex(client=client, collection="news", encoder=tiny_encoder)
    documents = [Document(text, metadata={"n": n}) for n, text in enumerate(TEXTS)]
    assert index.add(documents).added == 5
    local = EntityIndex(encoder=tiny_encoder)
    local.add(documents)
    for options in ({}, {"exact": True}, {"where": {"n": {"$gte": 2}}}):
        remote = [match.doc_id for match in index.search("city", k=4, **options)]
        assert remote == [match.doc_id for match in local.search("city", k=4, **options)]
    assert index.delete([documents[0].id]) == 1
    again = EntityIndex(client=client, collection="news", encoder=tiny_encoder)
    assert again.count() == 4
    with pytest.raises(ValueError, match="where: Chroma refuses"):
        again.search("city", where={"n": {"$foo": 2}})
