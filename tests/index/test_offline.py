"""Nothing goes out: indexing and searching open no socket, and Chroma's telemetry is off."""

OFFLINE = """
import socket, sys

def refuse(*arguments, **options):
    raise AssertionError(f"a socket was opened: {arguments}")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from hashed import HashedEncoder
from ner_retriever_rag import EntityIndex
for place in (sys.argv[1], None):
    with EntityIndex(place, encoder=HashedEncoder()) as index:
        index.add(["Oslo is in Norway.", "The Nile is in Egypt."])
        assert len(index.search("river", k=2)) == 2
        index.delete([index.search("city", k=1)[0].doc_id])
        assert not index._place.client.get_settings().anonymized_telemetry
"""


def test_no_socket_is_opened(start, tmp_path):
    process = start(OFFLINE, tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
