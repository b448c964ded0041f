"""The proxy in front of Chroma's server: which requests it forwards, and that it alters none."""

import asyncio
import os

import pytest

from ner_retriever_rag.cli import proxy
from ner_retriever_rag.cli.proxy import Proxy, hidden_address, host_allowed


async def _echo(reader, writer):
    """Echo what arrived behind the proxy, unchanged, with a marker in front."""
    writer.write(b"behind:")
    while part := await reader.read(2**16):
        writer.write(part)
        await writer.drain()
    writer.close()


@pytest.fixture
async def ask():
    """Send bytes through a proxy with a token, or one without, and return the response."""
    behind = await asyncio.start_server(_echo, "127.0.0.1", 0)
    place = behind.sockets[0].getsockname()
    servers = {
        token: await Proxy(place, ["Index.lan"], token).listen("127.0.0.1", 0)
        for token in (None, "s3cret")
    }

    async def ask(*lines, token=None, more=b""):
        reader, writer = await asyncio.open_connection(*servers[token].sockets[0].getsockname())
        sent = "\r\n".join([*lines, "", ""]).encode("latin-1") + more

        async def send():
            writer.write(sent)
            writer.write_eof()
            await writer.drain()

        async with asyncio.timeout(20):
            _, answer = await asyncio.gather(send(), reader.read(-1), return_exceptions=True)
        writer.close()
        if answer.startswith(b"behind:"):
            assert answer == b"behind:" + sent  # byte for byte
            return 200, b""
        return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]

    yield ask
    for server in (*servers.values(), behind):
        server.close()


async def test_only_known_host_names_are_accepted(ask):
    ours = ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8", "10.0.0.7", "index.LAN:8"]
    for host in ours:
        assert (await ask("GET / HTTP/1.1", f"Host: {host}"))[0] == 200, host
    theirs = ["evil.com", "evil.com:80", "127.0.0.1.evil.com", "localhost.evil.com", "", "a@b", "["]
    for host in theirs:
        status, body = await ask("GET / HTTP/1.1", f"Host: {host}")
        assert status == 403 and b"unknown host name" in body, host


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1", "Host: localhost", "Host: evil.com"],
        ["GET / HTTP/1.1"],
        ["GET / HTTP/1.1", "Host : localhost"],
        ["no request"],
        ["GET / HTTP/1.1", "Host: localhost", "X: " + "x" * 2**17],
    ],
    ids=["two hosts", "none", "spaced", "garbage", "long"],
)
async def test_malformed_requests_are_not_forwarded(ask, lines):
    assert (await ask(*lines))[0] == 400


async def test_token_is_required_if_one_is_set(ask):
    asked = ("GET / HTTP/1.1", "Host: localhost")
    assert (await ask(*asked, token="s3cret"))[0] == 401
    for wrong in ("Bearer s", "Basic s3cret", "Bearer ", "s3cret", "Bearer \xff"):
        assert (await ask(*asked, f"Authorization: {wrong}", token="s3cret"))[0] == 401, wrong
    for right in ("Authorization: Bearer s3cret", "X-Chroma-Token: s3cret"):
        assert (await ask(*asked, right, token="s3cret"))[0] == 200, right


async def test_large_requests_are_forwarded_unchanged(ask):
    asked = ("POST /a%2Fb/%C3%B8?x=1 HTTP/1.1", "Host: localhost", "Content-Length: 3000000")
    assert (await ask(*asked, more=os.urandom(3_000_000)))[0] == 200


async def test_unreachable_server_is_answered_with_502(monkeypatch):
    monkeypatch.setattr(proxy, "_TIMEOUT", 0.2)
    server = await Proxy(hidden_address(), [], None).listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.read(-1)).startswith(b"HTTP/1.1 502 ")  # clients retry on it
    writer.close()
    server.close()


def test_hidden_address_is_on_loopback():
    host, port = hidden_address()
    assert host.startswith("127.") and port > 0
    assert host_allowed("[::1]", set()) and not host_allowed("[", set())
