"""The LlamaIndex examples run and return what they should."""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


EXAMPLES = Path(__file__).parents[2] / "examples"


def test_query_engine_example():
    result = runpy.run_path(str(EXAMPLES / "llama_index_engine.py"))["main"]()
    assert result["found"] == ("Stegosaurus had plates along its back.", "Stegosaurus")
    assert result["sources"][0].startswith("Metallica")
    assert result["filtered"] == ["places", "places"]
    assert result["ranked"].startswith("Lake Victoria")
    assert any("Nile" in name for tags in result["tagged"] for name in tags.get("river", []))


def test_agent_example():
    result = runpy.run_path(str(EXAMPLES / "llama_index_agent.py"))["main"]()
    assert {text.split()[0] for text in result["nodes"]} == {"Stegosaurus", "Triceratops"}
    assert "\nMentions: Triceratops (" in result["what the model read"]
    assert result["answer"].startswith("Two")
