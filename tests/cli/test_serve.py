"""A served folder: clients read and write through the server; opening the folder is refused."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.cli import app

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path, tiny_encoder):
    """The folder of an index, and the address at which it is served."""
    with EntityIndex(tmp_path / "index", encoder=tiny_encoder) as index:
        index.add([Document("The Nile flows through Egypt.", id="nile")])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("ner-retriever"), "serve", tmp_path / "index"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], stdout=log, stderr=subprocess.DEVNULL
        )
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
    assert (folder.parent / "log").read_bytes() == b""  # not even Chroma's banner


def test_every_command_accepts_a_server_address(served, tiny_encoder, tmp_path):
    _, address = served
    opened(address, tiny_encoder)
    tiny_encoder.save_pretrained(tmp_path / "encoder")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": "oslo", "text": "Oslo lies in Norway."}))

    def run_command(command, *arguments):
        given = [command, *arguments, "--encoder", str(tmp_path / "encoder")]
        result = CliRunner().invoke(app, given)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "now holds 2 documents" in run_command("index", str(rows), "--index", address)
    assert json.loads(run_command("stats", address, "--json"))["documents"] == 2
    assert json.loads(run_command("check", address, "--json"))["documents"] == 2
    assert "no problems found" in run_command("check", address, "--repair")
    assert len(run_command("search", address, "city", "--json").splitlines()) == 2
    assert "oslo" in run_command("entities", address, "city", "--json").lower()
    assert run_command("extract", address, "--type", "city", "--threshold", "0")
    assert "kind" in run_command("facets", address)
