"""The examples run, and say what they should."""

import runpy
from pathlib import Path

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
