"""No network access: indexing and searching open no socket, Chroma's telemetry is off."""

import os

import pytest

# An audit hook is told of every such call, whoever makes it; refused calls are recorded, since a
# library may silently ignore the error.
REFUSE_SOCKETS = """
import sys
refused_calls = []

def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"):
        refused_calls.append((event, arguments))
        raise OSError("nothing goes out")

sys.addaudithook(refuse)
"""
HASHED = """
from hashed import HashedEncoder
from ner_retriever_rag import EntityIndex
for place in (sys.argv[1], None):
    with EntityIndex(place, encoder=HashedEncoder()) as index:
        index.add(["Oslo is in Norway.", "The Nile is in Egypt."])
        assert len(index.search("river", k=2)) == 2
        index.delete([index.search("city", k=1)[0].doc_id])
        assert not index._place.client.get_settings().anonymized_telemetry
assert not refused_calls, refused_calls
"""
SHIPPED = """
from ner_retriever_rag import AllOf, EntityIndex, Like
with EntityIndex(sys.argv[1]) as index:
    index.add(["Oslo is in Norway.", "The Nile is in Egypt."])
    assert len(index.search("river", about="travel")) == 2
    assert index.search(AllOf("city", Like("Nile"))) and index.facets() and index.entities("city")
    assert list(index.extract(["city"], score_threshold=0))
assert not refused_calls, refused_calls
"""
OPENS_SOCKET = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    assert "nothing goes out" in str(error)
assert refused_calls
"""


@pytest.mark.parametrize("script", [HASHED, OPENS_SOCKET], ids=["hashed", "one that does"])
def test_no_socket_is_opened(start, tmp_path, script):
    process = start(REFUSE_SOCKETS + script, tmp_path)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err


@pytest.mark.slow
def test_shipped_encoder_does_not_access_the_hub(start, tmp_path, monkeypatch):
    for name in [each for each in os.environ if each.endswith("_OFFLINE")]:
        monkeypatch.delenv(name)
    process = start(REFUSE_SOCKETS + SHIPPED, tmp_path)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
