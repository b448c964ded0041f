"""``ner-retriever ui``."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from ner_retriever_rag._imports import require
from ner_retriever_rag.cli.console import (
    IndexPlace,
    SavedEncoder,
    errors_in_one_line,
    name_of,
    open_index,
    out,
)

_HOST = "127.0.0.1"  # documents are shown to this machine alone


def ui(
    folder: IndexPlace,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8080,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    encoder: SavedEncoder = None,
) -> None:
    """Play with an index on a page of this machine: types, topics, facets, entities.

    Needs the extra ui. The page loads nothing from the network, and only this machine can reach it.
    """
    with errors_in_one_line("; the page is gone"):
        nicegui = require("nicegui", extra="ui")
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        from ner_retriever_rag.cli.page import SearchPage

        _check_free(port)
        index = open_index(folder, encoder)
        out.print(f"http://{_HOST}:{port} shows {folder}; Ctrl-C stops")
        # Another site's name that leads to this machine is no way in.
        nicegui.app.add_middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])
        nicegui.ui.run(
            lambda: SearchPage(nicegui, index, name_of(folder)),
            host=_HOST,
            port=port,
            title="ner-retriever",
            dark=None,
            reload=False,
            show=browser,
            show_welcome_message=False,
        )


def _check_free(port: int) -> None:
    """See that nothing else listens.

    Raises:
        OSError: If something does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise OSError(f"--port: {port} cannot be used ({error.strerror})") from error
