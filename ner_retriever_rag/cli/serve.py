"""``ner-retriever serve``."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import IndexFolder, err, report_errors

if TYPE_CHECKING:
    from ner_retriever_rag.cli.proxy import Proxy


def serve(
    folder: IndexFolder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8000,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name that clients may use, besides localhost and IP addresses."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="NER_RETRIEVER_TOKEN", help="Token clients must send.", show_default="none"
        ),
    ] = None,
) -> None:
    """Let any number of processes read and write an index, through Chroma's own server.

    The folder belongs to the server while it runs; other processes open the index by the server's
    address instead of the folder. Web pages cannot read it. Anyone else who can reach the port can
    read and change it unless a token is set, preferably in the environment variable
    NER_RETRIEVER_TOKEN, where clients look for it too. The folder's indexes are converted to ones
    that the server searches, which takes a while the first time and cannot be undone.
    """
    with report_errors():
        from ner_retriever_rag.candidates.stored_rows import describe
        from ner_retriever_rag.candidates.tables import TABLE
        from ner_retriever_rag.cli.proxy import Proxy, hidden_address
        from ner_retriever_rag.storage.chroma import ensure_folder
        from ner_retriever_rag.storage.converting import convert
        from ner_retriever_rag.storage.lock import FolderLock

        ensure_folder(folder)
        for index, documents in convert(folder, describe).items():
            shutil.rmtree(folder / f"{TABLE}{index}", ignore_errors=True)
            err.print(
                one_line(f"index {index!r}, {documents:,} documents: now searched by the server")
            )
        lock = FolderLock(folder)
        with lock.gate():
            lock.share()
            try:
                lock.exclude("serves")
            except RuntimeError:
                lock.release()
                raise
        if token is None and not _is_loopback(host):
            err.print(
                "no token is set: anyone who reaches this address can read and change the index"
            )
        upstream = hidden_address()
        names = [*(name or []), host]

        def run(ended: Callable[[], object]) -> None:
            _run_chroma(folder, *upstream, ended)

        try:
            code = asyncio.run(_serve_until_stopped(Proxy(upstream, names, token), host, port, run))
        finally:
            lock.release()
        # Chroma's threads never stop; a normal interpreter exit would end in a crash.
        os._exit(code)


async def _serve_until_stopped(
    proxy: Proxy, host: str, port: int, run: Callable[[Callable[[], object]], None]
) -> int:
    """Serve until the process is told to stop, or Chroma's server exits.

    Returns:
        The exit code: 0 in the first case, 1 in the second.
    """
    loop, stop_requested, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def request_stop() -> None:
        stop_requested.set()
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows
            loop.add_signal_handler(number, request_stop)
    server = await proxy.listen(host, port)
    end = partial(loop.call_soon_threadsafe, ended.set)
    # In this process, so that the lock is released when it ends; Chroma releases the GIL.
    threading.Thread(target=run, args=(end,), daemon=True).start()
    connection = asyncio.create_task(proxy.connect_upstream())
    finished = asyncio.create_task(ended.wait())
    await asyncio.wait({connection, finished}, return_when=asyncio.FIRST_COMPLETED)
    if connection.done():
        connection.result()[1].close()
        err.print(f'open it with EntityIndex("http://{host}:{port}"); Ctrl-C stops the server')
    await finished
    server.close()
    if not stop_requested.is_set():
        err.print("Chroma's server has stopped unexpectedly: see ner-retriever check DIR")
    return 0 if stop_requested.is_set() else 1


def _run_chroma(folder: Path, host: str, port: int, ended: Callable[[], object]) -> None:
    """Run Chroma's server, which reads its options from ``sys.argv``."""
    from chromadb.cli.cli import app as chroma

    # It prints an address that is not for users, to the terminal and bypassing Python.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["chroma", "run", "--path", str(folder), "--host", host, "--port", str(port)]
    try:
        chroma()  # type: ignore[no-untyped-call]
    finally:
        ended()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
