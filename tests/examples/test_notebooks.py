"""The notebooks are stored with their output; `pytest --nbmake examples` runs them."""

import json
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def test_all_notebooks_exist():
    assert [file.stem for file in NOTEBOOKS] == [
        "beside_chroma",
        "explore_corpus",
        "langchain_rag",
        "llama_index_engine",
        "support_tickets",
        "train_a_head",
    ]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_is_stored_with_output(file):
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    assert cells[0]["cell_type"] == "markdown" and len(cells) <= 16
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    for output in outputs:
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"
    assert not re.search(r"/(home|root|work|tmp)/", json.dumps(outputs))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_linked_files_exist(file):
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    for link in _LINK.findall(text):
        assert (EXAMPLES / link).exists(), link


@pytest.mark.parametrize("name", ["langchain_rag", "llama_index_engine"])
def test_notebook_marks_the_cell_for_a_real_model(name):
    cells = json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert any("goes here" in "".join(cell["source"]) for cell in cells)
