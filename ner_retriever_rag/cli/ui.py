"""``ner-retriever ui``."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from ner_retriever_rag._imports import require
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    display_name,
    open_index,
    out,
    report_errors,
)

_HOST = "127.0.0.1"  # documents are shown to this machine only


def ui(
    folder: IndexLocation,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve the page on.")] = 8080,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    encoder: SavedEncoder = None,
) -> None:
    """Explore an index on a local web page: types, topics, facets, entities.

    Needs the extra ui. The page loads nothing from the network, and only this machine can reach it.
    """
    with report_errors("; the page is closed"):
        nicegui = require("nicegui", extra="ui")
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        from ner_retriever_rag.cli.page import SearchPage

        _check_free(port)
        index = open_index(folder, encoder)
        out.print(f"http://{_HOST}:{port} shows {folder}; Ctrl-C stops")
        # Refuse other sites' host names that resolve to this machine (DNS rebinding).
        nicegui.app.add_middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])
        nicegui.ui.run(
            lambda: SearchPage(nicegui, index, display_name(folder)),
            host=_HOST,
            port=port,
            title="ner-retriever",
            dark=None,
            reload=False,
            show=browser,
            show_welcome_message=False,
        )


def _check_free(port: int) -> None:
    """Check that the port is free.

    Raises:
        OSError: If it cannot be bound.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise OSError(f"--port: {port} cannot be used ({error.strerror})") from error
