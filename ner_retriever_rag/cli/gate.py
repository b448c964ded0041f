"""A proxy before Chroma's server: checks a connection's host and token, and passes it on.

A page in a browser can read any server on its machine by making its own name an address of that
server (DNS rebinding). Chroma's server asks for nothing that would tell. But such a page's requests
are for its own name, which is in the Host of each, and a browser has a connection for one name
only. So the first request of a connection is read, by h11, and a connection that is not refused is
passed on byte for byte, which costs a search little. Chroma's server itself is put where no page
finds it: at an address drawn from 127.0.0.0/8.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Collection
from contextlib import suppress
from hmac import compare_digest
from ipaddress import ip_address
from urllib.parse import urlsplit

import h11

_LONGEST_HEAD = 2**16  # bytes of a first request's head
_PATIENCE = 60.0  # seconds for it to come, and for the server behind to be there
_PART = 2**18  # bytes passed on at once
_WORDS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 502: "Bad Gateway"}


def hidden_address() -> tuple[str, int]:
    """A free port of a loopback address that is hard to guess; 127.0.0.1 where there is no other.

    Linux and Windows have all of 127.0.0.0/8, macOS has one address of it.
    """
    drawn = ".".join(["127", *(str(1 + secrets.randbelow(253)) for _ in range(3))])
    for host in (drawn, "127.0.0.1"):
        with socket.socket() as probe:
            try:
                probe.bind((host, 0))
            except OSError:
                continue
            return host, probe.getsockname()[1]
    raise OSError("no loopback address can be listened at")


def may_be_asked_as(host: str, names: Collection[str]) -> bool:
    """Whether a server may be called what a request calls it.

    Args:
        host: As in a Host header: a name or an address, with or without its port.
        names: Names that are ours, in lower case. "localhost" always is, and any address: a page
            cannot make an address its own.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name in names:
            return True
        ip_address(name)
    except ValueError:
        return False
    return True


class Gate:
    """Answers for a server behind it.

    Args:
        behind: Where that is: address and port.
        names: What it may be called, beside "localhost" and any address.
        token: What clients have to send; None for no authentication.
    """

    def __init__(self, behind: tuple[str, int], names: Collection[str], token: str | None) -> None:
        self._behind = behind
        self._names = {name.lower() for name in names}
        self._token = token.encode() if token else None

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Begin to answer.

        Args:
            host: Where to listen.
            port: At which port.

        Raises:
            OSError: If it cannot listen there.
        """
        return await asyncio.start_server(self._connected, host, port, limit=_LONGEST_HEAD)

    async def behind(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server behind, which may still be starting.

        Raises:
            OSError: If it is not there in a minute.
        """
        last = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            try:
                return await asyncio.open_connection(*self._behind)
            except OSError:
                if asyncio.get_running_loop().time() > last:
                    raise
            await asyncio.sleep(0.05)

    def refusal(self, head: bytes) -> tuple[int, str] | None:
        """Why a connection that begins with such a request is refused; None if it is not.

        Args:
            head: The request's first lines, up to the empty one.

        Returns:
            A status of HTTP, and words.
        """
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        try:
            parser.receive_data(head)
            request = parser.next_event()
        except h11.RemoteProtocolError as error:  # two hosts, or none, among others
            return 400, str(error)
        if not isinstance(request, h11.Request):
            return 400, "not a request"
        headers = {name: value.decode("latin-1") for name, value in request.headers}
        if not may_be_asked_as(headers.get(b"host", ""), self._names):
            return 403, "this server is not called so: see ner-retriever serve --name"
        if self._token is not None and not self._is_told(headers):
            return 401, "a token is wanted: set NER_RETRIEVER_TOKEN"
        return None

    def _is_told(self, headers: dict[bytes, str]) -> bool:
        kind, _, bearer = headers.get(b"authorization", "").partition(" ")
        said = bearer if kind.lower() == "bearer" else headers.get(b"x-chroma-token", "")
        return compare_digest(said.encode("latin-1"), self._token or b"")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection may end at any moment, on either side.
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            try:
                await self._answer(reader, writer)
            finally:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE)
            refused = self.refusal(head)
        except asyncio.LimitOverrunError:
            refused = 400, "the request is too long"
        if refused is None:
            try:
                theirs, to_them = await self.behind()
            except OSError:
                refused = 502, "the server behind does not answer"
        if refused is not None:
            writer.write(_refused(*refused))
            await writer.drain()
            return
        to_them.write(head)
        asking = asyncio.create_task(_passed_on(reader, to_them))
        try:
            await _passed_on(theirs, writer)  # until they have no more to say
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            to_them.close()


async def _passed_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Write what is read until there is no more, and say so."""
    try:
        while part := await source.read(_PART):
            target.write(part)
            await target.drain()
    finally:
        target.write_eof()


def _refused(status: int, why: str) -> bytes:
    body = json.dumps({"error": "GateError", "message": why}).encode()
    head = (
        f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
