"""The site is built without warnings, and links out of docs/ lead to files copied with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocstrings")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_pages_and_linked_files_exist(site):
    for page in (ROOT / "docs").glob("*.md"):
        name = "" if page.stem == "index" else page.stem
        assert (site / name / "index.html").is_file(), page
    assert (site / "repository/examples/langchain_rag.ipynb").is_file()
    assert (site / "repository/benchmarks/results/training/index.html").is_file()


def test_reference_has_the_public_names(site):
    import ner_retriever_rag

    text = (site / "reference/index.html").read_text(encoding="utf-8")
    for name in ner_retriever_rag.__all__:
        assert f'.{name}"' in text, name
