"""The house: rooms, the arrows between them, no circle, no file too long to read at a glance.

Every import counts: those inside functions, those under ``TYPE_CHECKING``, and modules named by a
string (the homes of lazily loaded names).
"""

import ast
import runpy
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ner_retriever_rag

PACKAGE = Path(ner_retriever_rag.__file__).parent
NAME = PACKAGE.name
GROUND = {"__init__", "schema", "_imports", "_keywords", "_markup"}
ROOMS = {
    "reading": set(),
    "detection": {"reading"},
    "encoder": {"detection", "reading"},
    "queries": {"encoder"},
    "questions": {"queries"},
    "storage": set(),
    "candidates": {"storage", "queries", "encoder"},
    "ranking": {"queries", "encoder"},
    "search": {"ranking", "candidates", "storage", "queries", "encoder", "reading"},
    "index": {"search", "ranking", "candidates", "storage", "queries", "encoder", "reading"},
    "evaluation": {"index", "search", "ranking", "queries", "encoder", "detection", "reading"},
    "training": {
        "evaluation", "index", "search", "ranking", "queries", "encoder", "detection", "reading"
    },
    "langchain": {"index", "ranking", "questions", "queries", "encoder"},
    "llama_index": {"index", "ranking", "questions", "queries", "encoder"},
    "haystack": {"index", "ranking", "questions", "queries", "encoder"},
    "cli": {
        "training", "evaluation", "index", "search", "ranking", "candidates", "storage",
        "questions", "queries", "encoder", "detection", "reading",
    },
}  # fmt: skip
LONGEST = 400
# Modules that only warn and hand on what has moved to another room.
DEPRECATED = {"queries.questions": "questions"}

# What is being mended elsewhere; empty when the house is finished.
CIRCLES_KNOWN: set[tuple[str, str]] = set()
LONG_KNOWN: set[str] = set()


def module_of(file: Path) -> str:
    """``index.store`` for ``.../index/store.py``, ``index`` for a room's ``__init__``, ``""``."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool, names: set[str]) -> set[str]:
    """The package's own modules that a module imports, whatever way.

    Args:
        source: Its text.
        module: Its name within the package.
        is_package: Whether it is an ``__init__``.
        names: All modules, to tell ``from room import module`` from ``from room import name``.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = node.level - is_package
                here = [NAME, *module.split(".")]
                base = ".".join([*here[: len(here) - up], *filter(None, [base])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(
                    inner if inner.removeprefix(f"{NAME}.") in names else f"{base}:{alias.name}"
                )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            dotted = node.value
            if dotted.startswith(f"{NAME}.") and dotted.replace(".", "").isidentifier():
                found.add(dotted)
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_HOMES" for target in node.targets
        ):
            homes = ast.literal_eval(node.value).values()
            found.update(".".join(filter(None, [NAME, module, home])) for home in homes)
    return {
        each.removeprefix(NAME).removeprefix(".")
        for each in found
        if each.partition(":")[0].split(".")[0] == NAME
    }


def resolve(imported: str, homes: dict[str, dict[str, str]]) -> str:
    """The module behind ``room:Name``, through the room's re-exports."""
    while ":" in imported:
        package, _, name = imported.partition(":")
        if name not in homes.get(package, {}):
            return package
        imported = homes[package][name]
    return imported


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Every module of the package with the modules it imports."""
    files = {module_of(file): file for file in PACKAGE.rglob("*.py")}
    raw, homes = {}, defaultdict(dict)
    for module, file in files.items():
        package = file.name == "__init__.py"
        raw[module] = imports_of(file.read_text(encoding="utf-8"), module, package, set(files))
        for each in raw[module] if package else ():
            homes[module][each.rpartition(":")[2]] = each
    return {module: {resolve(each, homes) for each in raw[module]} for module in raw}


def room(module: str) -> str:
    first = module.split(".")[0]
    return first if first in ROOMS else "ground"


def test_the_ground_holds_few_files_and_the_rooms():
    assert {file.stem for file in PACKAGE.glob("*.py")} == GROUND
    packages = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert packages == set(ROOMS)
    assert {room(module_of(file)) for file in PACKAGE.glob("*/**/*.py")} == set(ROOMS)


def test_the_list_of_arrows_has_no_circle():
    TopologicalSorter(ROOMS).prepare()


def test_imports_follow_the_arrows(graph):
    wrong = []
    for module, imported in graph.items():
        for other in imported:
            here, there = room(module), room(other)
            if there == "ground":
                # The package's __init__ loads every room; nothing but its version is asked of it.
                allowed = other in GROUND - {"__init__"} or (other, here) == ("", "cli")
            elif here == "ground":
                allowed = module == ""
            else:
                allowed = here == there or there in {*ROOMS[here], DEPRECATED.get(module)}
            if not allowed:
                wrong.append(f"{module or NAME} -> {other or NAME}")
    assert not wrong


def test_no_module_imports_itself_round_a_circle(graph):
    modules = {
        module: {
            other for other in imported if other != module and (module, other) not in CIRCLES_KNOWN
        }
        for module, imported in graph.items()
        if module not in {"", *ROOMS}  # an __init__ only hands on the names of its room
    }
    try:
        TopologicalSorter(modules).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", DEPRECATED)
def test_a_deprecated_module_only_warns_and_hands_on(module):
    file = PACKAGE / f"{module.replace('.', '/')}.py"
    kinds = {type(each) for each in ast.parse(file.read_text(encoding="utf-8")).body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign}
    with pytest.warns(DeprecationWarning, match=DEPRECATED[module]):
        runpy.run_path(str(file))


def test_no_file_is_too_long():
    top = PACKAGE.parent
    long = {
        str(file.relative_to(top))
        for folder in (PACKAGE.name, "tests", "benchmarks", "examples")
        for file in (top / folder).rglob("*.py")
        if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST
    }
    assert long <= LONG_KNOWN


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("from ner_retriever_rag.index.store import Store", "index.store:Store"),
        ("def f():\n    from ner_retriever_rag.index import store", "index.store"),
        ("if TYPE_CHECKING:\n    import ner_retriever_rag.index.store", "index.store"),
        ("from ..index.store import Store", "index.store:Store"),
        ("from . import kinds", "encoder.kinds"),
        ("import_module('ner_retriever_rag.index.store')", "index.store"),
        ("_HOMES = {'Head': 'head'}", "encoder.head.head"),
    ],
)
def test_every_way_to_import_is_seen(source, imported):
    names = {"index.store", "encoder.kinds", "encoder.head"}
    assert imports_of(source, "encoder.head", False, names) == {imported}


def test_names_are_followed_to_where_they_are_defined():
    homes = {"": {"EntityIndex": "index:EntityIndex"}, "index": {"EntityIndex": "index.engine"}}
    assert resolve(":EntityIndex", homes) == "index.engine"
    assert resolve(":__version__", homes) == ""
