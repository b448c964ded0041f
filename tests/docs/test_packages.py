"""The built packages are complete, and the version is defined once."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import ner_retriever_rag

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PRETRAINED = ROOT / "ner_retriever_rag/encoder/pretrained"


# Behaves like a machine without a network.
UNPLUGGED = """
import socket
def refuse(*_): raise OSError("there is no network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A folder with the wheel and the sdist."""
    hatchling = pytest.importorskip("hatchling.build")
    assert hatchling.__name__
    out = tmp_path_factory.mktemp("dist")
    code = (
        "import sys; from hatchling.build import build_sdist, build_wheel; "
        "build_wheel(sys.argv[1]); build_sdist(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(out)], cwd=ROOT, check=True)
    return out


@pytest.fixture(scope="module")
def built(dist):
    """The file names in the wheel and in the sdist, and the wheel's metadata."""
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        metadata = next(n for n in names if n.endswith(".dist-info/METADATA"))
        said = wheel.read(metadata).decode()
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        sources = {name.partition("/")[2] for name in sdist.getnames()}
    return names, sources, said


def test_wheel_holds_what_the_default_encoder_needs(built):
    names, _, _ = built
    wanted = {
        str(file.relative_to(ROOT))
        for file in PRETRAINED.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert len(wanted) > 8
    wanted |= {
        f"ner_retriever_rag/{file}"
        for file in (
            "py.typed",
            "encoder/kinds.txt",
            "cli/simple-wikipedia-sample.jsonl",
            "cli/ATTRIBUTION.md",
        )
    }
    assert wanted <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("pretrained/NOTICE") and ".dist-info" in name for name in names)


def test_wheel_holds_nothing_else(built):
    names, _, _ = built
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ner_retriever_rag"}
    assert not [name for name in names if name.endswith(".pyc") or "/tests/" in name]


def test_demo_runs_from_the_wheel_alone_without_a_network(dist, tmp_path):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    said = "import ner_retriever_rag; print(ner_retriever_rag.__file__)"
    code = f"{UNPLUGGED}\n{said}\nfrom ner_retriever_rag.cli import app\napp()"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HF_"))}
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "dinosaur", "-k", "1"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "installed")), done.stdout
    assert "\ndinosaur\n" in done.stdout and "Try next: " in done.stdout


def test_sdist_can_be_tested_and_built(built):
    _, sources, _ = built
    for file in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile"):
        assert file in sources
    assert any(name.startswith("tests/") for name in sources)
    assert not any(name.startswith((".venv", "site/", "dist/")) for name in sources)


def test_version_is_defined_once(built):
    _, _, metadata = built
    version = ner_retriever_rag.__version__
    assert f"\nVersion: {version}\n" in metadata
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert newest and newest[1] == version


def test_llamahub_names_exist():
    import ner_retriever_rag.llama_index as adapter

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hub = project["tool"]["llamahub"]
    assert hub["import_path"] == adapter.__name__
    for name in hub["class_authors"]:
        assert getattr(adapter, name).__module__.startswith(adapter.__name__)
