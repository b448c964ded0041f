"""The Python blocks of the pages in docs/ run, each page from top to bottom."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    "index",
    "indexing",
    "queries",
    "names",
    "command-line",
    "langchain",
    "llama-index",
    "haystack",
    "agents",
    "scale",
    "trust",
    "beside",
    "cluster",
]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.filterwarnings("ignore:The class `DocumentIndex`")
@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        # Leading blank lines, so that a traceback shows the page's line numbers.
        before = "\n" * text[: block.start(1)].count("\n")
        exec(compile(before + block[1], f"{page}.md", "exec"), names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page):
    for link in _LINK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")):
        assert (DOCS / link).exists(), link
