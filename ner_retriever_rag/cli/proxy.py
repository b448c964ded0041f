"""Proxy in front of Chroma's server: checks a connection's host and token, then forwards it.

A web page can read any server on the visitor's machine by resolving its own host name to that
server's address (DNS rebinding), and Chroma's server checks nothing that would reveal it. But the
Host header of such requests is the page's own name, and a browser uses a connection for one host
name only. So h11 parses the first request of each connection, and an accepted connection is
forwarded byte for byte, which adds little to a search. Chroma's server itself listens where no page
can find it: at a random address in 127.0.0.0/8.
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

_MAX_HEAD = 2**16  # bytes, head of a first request
_TIMEOUT = 60.0  # seconds to wait for that head, and for the upstream server to start
_CHUNK_SIZE = 2**18  # bytes forwarded at a time
_REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 502: "Bad Gateway"}


def hidden_address() -> tuple[str, int]:
    """Find a free port on a hard-to-guess loopback address; 127.0.0.1 if no other is available.

    Linux and Windows have all of 127.0.0.0/8, macOS only one address of it.

    Raises:
        OSError: If no loopback address can be used.
    """
    random_host = ".".join(["127", *(str(1 + secrets.randbelow(253)) for _ in range(3))])
    for host in (random_host, "127.0.0.1"):
        with socket.socket() as probe:
            try:
                probe.bind((host, 0))
            except OSError:
                continue
            return host, probe.getsockname()[1]
    raise OSError("cannot listen on any loopback address")


def host_allowed(host: str, names: Collection[str]) -> bool:
    """Return whether requests for a host are allowed.

    Args:
        host: Value of the Host header: a name or an address, with or without port.
        names: Allowed names, in lower case. "localhost" and any IP address are always allowed: a
            page cannot make an address its own.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name in names:
            return True
        ip_address(name)
    except ValueError:
        return False
    return True


class Proxy:
    """Checks connections and forwards them to an upstream server.

    Args:
        upstream: Address and port of the upstream server.
        names: Allowed host names, besides "localhost" and any IP address.
        token: Token that clients must send; None for no authentication.
    """

    def __init__(
        self, upstream: tuple[str, int], names: Collection[str], token: str | None
    ) -> None:
        self._upstream = upstream
        self._names = {name.lower() for name in names}
        self._token = token.encode() if token else None

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Start listening.

        Args:
            host: Address to listen on.
            port: Port to listen on.

        Raises:
            OSError: If it cannot listen there.
        """
        return await asyncio.start_server(self._handle, host, port, limit=_MAX_HEAD)

    async def connect_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the upstream server, which may still be starting.

        Raises:
            OSError: If it does not accept a connection within a minute.
        """
        last = asyncio.get_running_loop().time() + _TIMEOUT
        while True:
            try:
                return await asyncio.open_connection(*self._upstream)
            except OSError:
                if asyncio.get_running_loop().time() > last:
                    raise
            await asyncio.sleep(0.05)

    def refusal(self, head: bytes) -> tuple[int, str] | None:
        """Return why a connection is refused, given its first request; None if it is accepted.

        Args:
            head: Head of the request, up to and including the blank line.

        Returns:
            HTTP status code and message.
        """
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        try:
            parser.receive_data(head)
            request = parser.next_event()
        except h11.RemoteProtocolError as error:  # such as two Host headers, or none
            return 400, str(error)
        if not isinstance(request, h11.Request):
            return 400, "not a request"
        headers = {name: value.decode("latin-1") for name, value in request.headers}
        if not host_allowed(headers.get(b"host", ""), self._names):
            return 403, "unknown host name: see ner-retriever serve --name"
        if self._token is not None and not self._has_token(headers):
            return 401, "a token is required: set NER_RETRIEVER_TOKEN"
        return None

    def _has_token(self, headers: dict[bytes, str]) -> bool:
        kind, _, bearer = headers.get(b"authorization", "").partition(" ")
        credential = bearer if kind.lower() == "bearer" else headers.get(b"x-chroma-token", "")
        return compare_digest(credential.encode("latin-1"), self._token or b"")

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Either side may close the connection at any time.
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            try:
                await self._forward(reader, writer)
            finally:
                writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _TIMEOUT)
            refused = self.refusal(head)
        except asyncio.LimitOverrunError:
            refused = 400, "the request is too long"
        if refused is None:
            try:
                upstream_reader, upstream_writer = await self.connect_upstream()
            except OSError:
                refused = 502, "the upstream server does not respond"
        if refused is not None:
            writer.write(_error_response(*refused))
            await writer.drain()
            return
        upstream_writer.write(head)
        requests = asyncio.create_task(_pipe(reader, upstream_writer))
        try:
            await _pipe(upstream_reader, writer)  # until the server closes its side
        finally:
            requests.cancel()
            await asyncio.gather(requests, return_exceptions=True)
            upstream_writer.close()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy a stream until it ends, then signal its end to the target."""
    try:
        while part := await source.read(_CHUNK_SIZE):
            target.write(part)
            await target.drain()
    finally:
        target.write_eof()


def _error_response(status: int, why: str) -> bytes:
    body = json.dumps({"error": "GateError", "message": why}).encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
