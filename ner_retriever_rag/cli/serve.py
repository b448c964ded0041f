"""``ner-retriever serve``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ner_retriever_rag.cli.console import IndexFolder, err, errors_in_one_line


def serve(
    folder: IndexFolder,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen at.")] = 8000,
) -> None:
    """Let any number of processes read and write an index, through Chroma's own server.

    The folder belongs to the server while it runs; other processes open the index with its address
    instead of the folder. The server has no authentication: keep it on this machine, or behind
    something that does.
    """
    with errors_in_one_line():
        from chromadb.cli.cli import app as chroma

        from ner_retriever_rag.storage.chroma import made
        from ner_retriever_rag.storage.lock import FolderLock

        made(folder)
        lock = FolderLock(folder)
        with lock.gate():
            lock.share()
            try:
                lock.exclude("serves")
            except RuntimeError:
                lock.release()
                raise
        err.print(f'open it with EntityIndex("http://{host}:{port}"); Ctrl-C stops the server')
        # Chroma's server reads its options from the command line and runs in this process, so that
        # the lock goes when it does.
        options = ["--path", str(folder), "--host", host, "--port", str(port)]
        sys.argv = ["chroma", "run", *options]
        try:
            chroma()  # type: ignore[no-untyped-call]
        finally:
            lock.release()
