"""The examples run and give the expected results."""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: object) -> dict[str, object]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](*arguments)


def test_questions():
    result = run("questions")
    assert (result["asked"].type, result["asked"].topic) == (
        "dinosaur",
        "lived in what is now Argentina",
    )
    assert result["by type"][0].startswith("Giganotosaurus")
    assert result["either, with a type"].startswith("Giganotosaurus")
    assert result["either, without"].startswith("The sky")


def test_type_and_topic():
    result = run("type_and_topic")
    assert result["dinosaur"][-1] == "city"
    assert result["dinosaur, found in Argentina"][0] == "argentina"
    assert result["dinosaur, found in China"][0] == "china"
    assert set(result["the text alone"]) == {"city", "argentina", "montana", "china"}


def test_several_types():
    result = run("several_types")
    assert len(result["a river or a lake"]) == 2
    doc_id, names = result["a river and a lake"][0]
    assert doc_id == "rhine" and names.keys() == {"river", "lake"}
    assert "Rhine" in names["river"]
    assert result["a lake and no river"][0][1].keys() == {"lake"}


def test_by_example():
    result = run("by_example")
    assert {text.split()[0] for text in result["like two names"]} == {
        "Stegosaurus",
        "Triceratops",
        "Iguanodon",
        "Diplodocus",
    }
    for name in ("with a description", "after refining"):
        assert all("castles" in text for text in result[name])


def test_facets():
    result = run("facets")
    kinds = [facet.type for facet in result["facets"]]
    assert "river" in kinds and "dinosaur" in kinds
    assert result["Stegosaurus"][0][0] == "dinosaur"


def test_extract_rows():
    rows = run("extract_rows")
    assert {(row["type"], row["doc_id"]) for row in rows} >= {("river", "nile"), ("lake", "rhine")}
    assert all(0.1 <= row["score"] <= 1 for row in rows)


def test_knowledge_graph():
    pytest.importorskip("networkx")
    result = run("knowledge_graph")
    for kind, name in (("river", "Nile"), ("lake", "Lake Victoria")):
        assert any(name in found for found in result["of each type"][kind])
    assert {relation for *_, relation in result["graph"].edges(data="relation")} == {
        "is a",
        "stands in",
    }
    assert result["with the Nile"] == sorted(result["with the Nile"])


def test_langchain_filter():
    result = run("langchain_filter")
    assert result["with a dinosaur"] == ["stegosaurus", "triceratops"]
    assert result["best for river"] == ["nile"]


def test_langchain_indexing():
    result = run("langchain_indexing")
    assert (result["first"]["num_added"], result["second"]["num_skipped"]) == (2, 1)
    assert (result["second"]["num_added"], result["second"]["num_deleted"]) == (1, 1)
    assert result["bands"][0] == "Queen formed in London."


def test_text_splitters():
    result = run("text_splitters")
    assert result["LangChain's pieces"] >= 2 and result["LlamaIndex' pieces"] >= 2
    assert "William Mackinnon" in result["ship"]
    assert result["begins at"] > 0
    assert result["of"] == "victoria.txt"


def test_haystack_pipeline(monkeypatch):
    pytest.importorskip("haystack")
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
    result = run("haystack_pipeline")
    assert result["written"] == 3
    assert set(result["found"]) == {"queen", "mayhem"}
    assert "[Mayhem]" in result["prompt"]
