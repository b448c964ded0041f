"""A folder served: many read and write through the server, nobody opens the folder beside it."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ner_retriever_rag import Document, EntityIndex

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path, tiny_encoder):
    """An index's folder, and the address it is served at."""
    with EntityIndex(tmp_path / "index", encoder=tiny_encoder) as index:
        index.add([Document("The Nile flows through Egypt.", id="nile")])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("ner-retriever"), "serve", tmp_path / "index"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*command, "--port", str(port)], stdout=quiet, stderr=quiet)
    try:
        yield tmp_path / "index", f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def opened(address, encoder):
    for _ in range(300):
        try:
            return EntityIndex.open(address, encoder=encoder)
        except ConnectionError:
            time.sleep(0.1)
    pytest.fail("the server did not start")


def test_a_served_folder_is_read_and_written_through_the_server(served, tiny_encoder):
    folder, address = served
    one, other = opened(address, tiny_encoder), opened(address, tiny_encoder)
    assert one.add([Document("Oslo lies in Norway.", id="oslo")]).added == 1
    assert {match.doc_id for match in other.search("city")} == {"nile", "oslo"}
    other.delete("nile")
    assert {match.doc_id for match in one.search("city")} == {"oslo"}
    with pytest.raises(RuntimeError, match="serves.*ner-retriever serve"):
        EntityIndex(folder, encoder=tiny_encoder)
    with pytest.raises(FileNotFoundError, match="no index 'other' on the server"):
        EntityIndex.open(address, collection="other", encoder=tiny_encoder)
