"""The README's Python runs as printed, and its tables agree with the package."""

import re
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BLOCKS = re.findall(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", README, re.M | re.S)
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def without_digits(text: str) -> str:
    """Replace all digits: what remains is the same after retraining the weights."""
    return re.sub(r"\d", "0", text)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_runs_as_printed(number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, output = BLOCKS[number]
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.strip()
    if output:
        assert without_digits(printed) == without_digits(output)


def test_first_block_is_followed_by_its_output():
    assert BLOCKS[0][1].count("\n") == 4


def test_linked_files_exist():
    links = _LINK.findall(README)
    assert len(links) > 20
    for link in links:
        assert (ROOT / link).exists(), link


def test_all_extras_are_in_the_table():
    table = README.partition("<!-- extras -->")[2].partition("<!-- /extras -->")[0]
    assert (
        set(re.findall(r"^\| `([\w-]+)`", table, re.M)) == PROJECT["optional-dependencies"].keys()
    )


def test_introduction_fits_one_screen():
    first_screen = README.partition("## ")[0]
    assert len(first_screen.splitlines()) < 65
    assert first_screen.count("```python") == 1
    assert "docs/images/search.png" in first_screen
