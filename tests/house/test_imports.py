"""Architecture: subpackages, the allowed imports between them, no cycle, no overlong file.

Every import counts: those inside functions, those under ``TYPE_CHECKING``, and modules named by a
string (where lazily loaded names are defined).
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
# Modules at the top level, and the subpackages with the subpackages that each may import.
TOP_LEVEL = {"__init__", "schema", "_imports", "_keywords", "_markup"}
ALLOWED_IMPORTS = {
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
MAX_LINES = 400
# Modules that only warn and re-export what has moved to another subpackage.
DEPRECATED = {"queries.questions": "questions"}

# Known violations that are being fixed elsewhere; empty once there are none.
KNOWN_CYCLES: set[tuple[str, str]] = set()
KNOWN_LONG: set[str] = set()


def module_of(file: Path) -> str:
    """Return a file's module name within the package.

    ``index.store`` for ``.../index/store.py``, ``index`` for ``.../index/__init__.py``, and ``""``
    for the package's own ``__init__.py``.
    """
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool, names: set[str]) -> set[str]:
    """Return the package's own modules that a module imports, in whatever way.

    Args:
        source: The module's source code.
        module: The module's name within the package.
        is_package: Whether it is an ``__init__``.
        names: All module names, to tell ``from package import module`` from
            ``from package import name``.
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
            isinstance(target, ast.Name) and target.id == "_LAZY_IMPORTS" for target in node.targets
        ):
            modules = ast.literal_eval(node.value).values()
            found.update(".".join(filter(None, [NAME, module, home])) for home in modules)
    return {
        each.removeprefix(NAME).removeprefix(".")
        for each in found
        if each.partition(":")[0].split(".")[0] == NAME
    }


def resolve(imported: str, modules: dict[str, dict[str, str]]) -> str:
    """Return the module that defines ``package:Name``, following re-exports."""
    while ":" in imported:
        package, _, name = imported.partition(":")
        if name not in modules.get(package, {}):
            return package
        imported = modules[package][name]
    return imported


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Every module of the package, with the modules that it imports."""
    files = {module_of(file): file for file in PACKAGE.rglob("*.py")}
    raw, modules = {}, defaultdict(dict)
    for module, file in files.items():
        package = file.name == "__init__.py"
        raw[module] = imports_of(file.read_text(encoding="utf-8"), module, package, set(files))
        for each in raw[module] if package else ():
            modules[module][each.rpartition(":")[2]] = each
    return {module: {resolve(each, modules) for each in raw[module]} for module in raw}


def subpackage(module: str) -> str:
    first = module.split(".")[0]
    return first if first in ALLOWED_IMPORTS else "top level"


def test_top_level_holds_only_the_listed_modules_and_subpackages():
    assert {file.stem for file in PACKAGE.glob("*.py")} == TOP_LEVEL
    packages = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert packages == set(ALLOWED_IMPORTS)
    assert {subpackage(module_of(file)) for file in PACKAGE.glob("*/**/*.py")} == set(
        ALLOWED_IMPORTS
    )


def test_allowed_imports_have_no_cycle():
    TopologicalSorter(ALLOWED_IMPORTS).prepare()


def test_subpackages_import_only_what_is_allowed(graph):
    wrong = []
    for module, imported in graph.items():
        for other in imported:
            here, there = subpackage(module), subpackage(other)
            if there == "top level":
                # The package's __init__ loads every subpackage; only the CLI imports its version.
                allowed = other in TOP_LEVEL - {"__init__"} or (other, here) == ("", "cli")
            elif here == "top level":
                allowed = module == ""
            else:
                allowed = here == there or there in {*ALLOWED_IMPORTS[here], DEPRECATED.get(module)}
            if not allowed:
                wrong.append(f"{module or NAME} -> {other or NAME}")
    assert not wrong


def test_modules_have_no_import_cycle(graph):
    modules = {
        module: {
            other for other in imported if other != module and (module, other) not in KNOWN_CYCLES
        }
        for module, imported in graph.items()
        # An __init__ only re-exports its subpackage's names.
        if module not in {"", *ALLOWED_IMPORTS}
    }
    try:
        TopologicalSorter(modules).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", DEPRECATED)
def test_deprecated_module_only_warns_and_reexports(module):
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
        if len(file.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }
    assert long <= KNOWN_LONG


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("from ner_retriever_rag.index.store import Store", "index.store:Store"),
        ("def f():\n    from ner_retriever_rag.index import store", "index.store"),
        ("if TYPE_CHECKING:\n    import ner_retriever_rag.index.store", "index.store"),
        ("from ..index.store import Store", "index.store:Store"),
        ("from . import kinds", "encoder.kinds"),
        ("import_module('ner_retriever_rag.index.store')", "index.store"),
        ("_LAZY_IMPORTS = {'Head': 'head'}", "encoder.head.head"),
    ],
)
def test_every_form_of_import_is_detected(source, imported):
    names = {"index.store", "encoder.kinds", "encoder.head"}
    assert imports_of(source, "encoder.head", False, names) == {imported}


def test_names_are_resolved_to_the_module_that_defines_them():
    modules = {"": {"EntityIndex": "index:EntityIndex"}, "index": {"EntityIndex": "index.engine"}}
    assert resolve(":EntityIndex", modules) == "index.engine"
    assert resolve(":__version__", modules) == ""
