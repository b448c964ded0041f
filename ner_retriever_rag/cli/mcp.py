"""``ner-retriever mcp``."""

from __future__ import annotations

import logging

from ner_retriever_rag._imports import require
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    display_name,
    open_index,
    report_errors,
)

_log = logging.getLogger(__name__)


def mcp(folder: IndexLocation, encoder: SavedEncoder = None) -> None:
    """Serve an index to language models: an MCP server on standard input and output."""
    with report_errors():
        require("mcp.server.mcpserver", extra="mcp")
        from ner_retriever_rag.cli.mcp_tools import make_server

        index = open_index(folder, encoder)
        index.encoder.encode_types(["warm-up"])  # the first request should not wait for the model
        server = make_server(index, f"ner-retriever {display_name(folder)}")
        _log.info("serving %d documents from %s", index.count(), folder)
        server.run("stdio")
