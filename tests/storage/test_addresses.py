"""The addresses of servers, and the folders of clients."""

from contextlib import closing
from types import SimpleNamespace

import chromadb
import pytest

from ner_retriever_rag.storage import chroma
from ner_retriever_rag.storage.roles import is_interrupted


@pytest.mark.parametrize(
    ("address", "host", "port", "ssl"),
    [
        ("http://localhost", "localhost", 8000, False),
        ("http://localhost:9000", "localhost", 9000, False),
        ("https://chroma.example", "chroma.example", 443, True),
        ("https://chroma.example:8443/", "chroma.example", 8443, True),
        ("http://[::1]:9000", "::1", 9000, False),
    ],
)
def test_host_port_and_encryption(monkeypatch, address, host, port, ssl):
    asked = []
    monkeypatch.setattr(
        chromadb, "HttpClient", lambda host, port, ssl, **_: asked.append((host, port, ssl))
    )
    assert chroma.is_address(address)
    chroma.connect(address)
    assert asked == [(host, port, ssl)]


def test_error_for_an_unreachable_server_names_it_and_a_remedy(monkeypatch):
    def refused(*_, **__):
        raise ValueError("refused")

    monkeypatch.setattr(chromadb, "HttpClient", refused)
    with pytest.raises(ConnectionError, match=r"http://localhost:9 .refused.*ner-retriever serve"):
        chroma.connect("http://localhost:9")


def test_folder_of_a_client(tmp_path):
    remote = chromadb.Settings(
        chroma_api_impl="chromadb.api.fastapi.FastAPI", is_persistent=True, persist_directory="x"
    )
    server = SimpleNamespace(get_or_create_collection=print, get_settings=lambda: remote)
    with closing(chromadb.PersistentClient(tmp_path)) as client:
        assert chroma.folder_of(client) == tmp_path
    assert chroma.folder_of(server) is None
    assert chroma.folder_of(chroma.connect(None)) is None


@pytest.mark.parametrize(
    ("name", "metadata", "interrupted"),
    [
        ("notes", None, False),
        ("notes-mentions", {"ner:format": 2}, False),
        ("notes-journal-0", {"ner:journal": "[]"}, True),
        ("notes-journal-0", None, True),
        ("notes-mentions", {"ner:journal": "[]"}, True),  # as format 1 has it
    ],
)
def test_interrupted_write_is_detected_by_its_collections(name, metadata, interrupted):
    collections = [SimpleNamespace(name=name, metadata=metadata)]
    client = SimpleNamespace(list_collections=lambda: collections)
    assert is_interrupted(client) == interrupted


def test_asynchronous_and_invalid_clients_are_rejected():
    class AsyncClient:
        async def get_or_create_collection(self):
            """Like that of chromadb.AsyncHttpClient."""

    for client, message in ((AsyncClient(), "must not be asynchronous"), (object(), "not object")):
        with pytest.raises(TypeError, match=message):
            chroma.folder_of(client)


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://localhost", None, "folder"])
def test_values_that_are_not_addresses(address):
    assert not chroma.is_address(address)
