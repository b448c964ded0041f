"""The LangChain examples run and return what they should."""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


EXAMPLES = Path(__file__).parents[2] / "examples"


def test_chain_example():
    result = runpy.run_path(str(EXAMPLES / "langchain_chain.py"))["main"]()
    assert result["answer"] == "Stegosaurus and Triceratops"
    assert "\nMentions: Stegosaurus (" in result["context"]
    assert "\nMentions: Triceratops (" in result["context"]
    assert result["tool"].startswith("[1] The Nile")
    assert result["batch"][1:] == [
        "The Nile flows north through Sudan and Egypt.",
        "Metallica formed in Los Angeles in 1981.",
    ]


def test_agent_example():
    result = runpy.run_path(str(EXAMPLES / "langchain_agent.py"))["main"]()
    assert {text.split()[0] for text in result["documents"]} == {"Stegosaurus", "Triceratops"}
    assert "\nMentions: Triceratops (" in result["what the model read"]
    assert result["answer"].startswith("Two")
