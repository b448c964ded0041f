"""``estimate``, ``merge`` and ``split`` on the command line."""

import json

import pytest
from hashed import HashedEncoder
from typer.testing import CliRunner

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.cli import app, console


@pytest.fixture
def run_command(tmp_path, monkeypatch):
    """A function that runs a command on an index of three documents and returns its output."""
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        index.add(["Oslo is wet.", "Bergen is wetter.", "Lima is dry."])
    monkeypatch.setattr(console, "load_encoder", lambda folder: HashedEncoder())

    def run(command, *arguments):
        result = CliRunner().invoke(app, [command, str(tmp_path), *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def test_estimate_prints_text_or_json(run_command):
    words = run_command("estimate", "city")
    assert words.splitlines()[0].startswith("documents  ") and " to " in words
    row = json.loads(run_command("estimate", "city", "--json"))
    assert row["documents"]["low"] <= row["documents"]["expected"] <= row["documents"]["high"]
    assert {doc_id for doc_id, _ in row["document_scores"]} and row["entity_list"]


def test_decisions_are_printed_and_undone(run_command):
    assert run_command("merge", "Oslo", "Bergen") == "one: Oslo · Bergen\n"
    assert run_command("split", "Oslo", "Lima") == "one: Oslo · Bergen\ntwo: Oslo · Lima\n"
    found = [json.loads(line) for line in run_command("entities", "city", "--json").splitlines()]
    both = next(each for each in found if "Oslo" in each["names"])
    assert set(both["names"]) == {"Oslo", "Bergen"} and len(both["documents"]) == 2
    assert run_command("merge", "Oslo", "Bergen", "--undo") == "no decisions recorded\n"
