"""The MCP server in a separate process, called with the SDK's own client."""

import os
import sys
from pathlib import Path

import pytest

from ner_retriever_rag.index import EntityIndex
from ner_retriever_rag.schema import Document

pytest.importorskip("mcp.server.mcpserver", reason="needs the extra mcp")
from mcp import Client, StdioServerParameters  # noqa: E402

TEXTS = {
    "stegosaurus": "Stegosaurus lived in the late Jurassic and ate plants.",
    "nile": "The Nile flows north through Sudan. "
    + "On and on it goes. " * 80
    + "Ships go up the Nile.",
    "etna": "Mount Etna erupted again last night.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shipped_encoder) -> Path:
    folder = tmp_path_factory.mktemp("mcp") / "index"
    with EntityIndex(folder, encoder=shipped_encoder) as index:
        index.add([Document(text, doc_id, {"kind": doc_id}) for doc_id, text in TEXTS.items()])
    return folder


def server(folder: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-c", "from ner_retriever_rag.cli import app; app()", "mcp", str(folder)],
        env=dict(os.environ),
    )


async def test_client_can_call_every_tool(folder, shipped_encoder):
    async with Client(server(folder), read_timeout_seconds=240) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools.keys() == {"search", "entities", "facets", "extract", "get"}
        for tool in tools.values():
            assert tool.description and tool.output_schema and tool.input_schema["properties"]
        assert "noun phrases" in client.instructions

        async def ask(tool: str, **arguments: object) -> object:
            answer = await client.call_tool(tool, arguments)
            assert not answer.is_error, answer.content
            return answer.structured_content

        river, *_ = (await ask("search", type="river", k=2))["result"]
        assert river["doc_id"] == "nile" and river["metadata"] == {"kind": "nile"}
        assert any("Nile" in name for name in river["names"]) and len(river["passage"]) < 450
        filtered = await ask("search", type="river", where={"kind": "etna"}, score_threshold=0)
        assert [each["doc_id"] for each in filtered["result"]] == ["etna"]
        none = await ask("search", type="chess opening")
        assert none["result"] == [] and "(best: " in none["note"]
        one_each = [
            await ask("search", type="river", k=1, offset=n, score_threshold=0) for n in range(4)
        ]
        pages = [page["result"] for page in one_each]
        assert {each[0]["doc_id"] for each in pages[:3]} == TEXTS.keys() and pages[3] == []

        (nile, *_) = (await ask("entities", type="river", score_threshold=0.1))["result"]
        assert "Nile" in nile["name"] and nile["documents"] == ["nile"]
        assert nile["mentions"] >= 2 and nile["document_count"] == 1

        kinds = (await ask("facets", n=50))["result"]
        assert any("Etna" in " ".join(kind["examples"]) for kind in kinds)

        rows = await ask("extract", types=["river"], score_threshold=0.1)
        assert rows["complete"] and {"Nile"} <= {row["text"][-4:] for row in rows["mentions"]}
        row = rows["mentions"][0]
        assert TEXTS[row["doc_id"]][row["start"] : row["end"]] == row["text"]
        assert not (await ask("extract", types=["river"], score_threshold=0, limit=1))["complete"]

        documents = (await ask("get", ids=["etna", "unknown"]))["result"]
        assert documents == [
            {"doc_id": "etna", "text": TEXTS["etna"], "metadata": {"kind": "etna"}, "more": 0}
        ]

        for tool, arguments, told in (
            ("search", {"type": " "}, "query is empty"),
            ("search", {"type": "river", "k": 0}, "greater than or equal to 1"),
            ("search", {"type": "river", "where": {"$no": 1}}, "where: Chroma rejects"),
            ("extract", {"types": []}, "types is empty"),
            ("extract", {"types": [f"type {n}" for n in range(3_000)]}, "at most 100"),
            ("search", {"type": "x" * 3_000}, "query has 3,000 characters: at most 2,000"),
        ):
            answer = await client.call_tool(tool, arguments)
            assert answer.is_error and told in answer.content[0].text
        assert (await ask("get", ids=[]))["result"] == []  # the server still answers


def test_missing_index_prints_one_line_and_starts_no_server(tmp_path):
    from typer.testing import CliRunner

    from ner_retriever_rag.cli import app

    result = CliRunner().invoke(app, ["mcp", str(tmp_path)])
    assert result.exit_code == 2
    assert "there is no index in" in result.output and "Traceback" not in result.output
