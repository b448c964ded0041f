"""Mutation testing: does a test fail when a module has one small fault?

python benchmarks/mutations.py [--only writing.py] [--most 40] [--tests "tests/index -k some"]

Faults are sampled at random from all that ``variants`` can make. Each is tried in a forked child,
so that torch and Chroma are imported only once; there the module is compiled with the fault and the
tests below run until one fails. Prints a table, and every fault that no test noticed.
"""

import argparse
import ast
import contextlib
import copy
import importlib.machinery
import os
import random
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# QUICK fails fast if the index is wrong; SLOW runs only for faults that QUICK does not notice.
QUICK = [
    "tests/index/test_lifecycle.py",
    "tests/storage/test_journal.py",
    "tests/index/test_index.py",
    "tests/storage/test_index_formats.py",
    "tests/index/test_check.py::test_vectors_that_are_no_numbers",
    "tests/index/test_check.py::test_orphans_gaps_and_records_that_cannot_be_read",
    "tests/storage/test_crash.py::test_crash_at_any_step_of_a_delete",
    "--deselect=tests/index/test_index.py::test_searches_while_documents_are_replaced",
]
SLOW = [
    "tests/index/test_check.py",
    "tests/index/test_engine.py",
    "tests/candidates/test_tables.py",
    "tests/index/test_bad_input.py",
    "tests/storage/test_crash.py",
    "tests/index/test_properties.py",
    "--deselect=tests/storage/test_crash.py::test_killed_process",
    "--deselect=tests/storage/test_crash.py::test_everything_is_replaced_many_times",
]
INDEX = (QUICK, SLOW)
SERVED = [
    "tests/storage/test_addresses.py",
    "tests/index/test_beside.py",
    "tests/storage/test_server.py",
    "tests/index/test_offline.py",
    "tests/storage/test_graph_settings.py",
    "tests/langchain",
]
# The tests of each module, in steps: only faults that one step does not notice go to the next.
TESTS: dict[str, tuple[list[str], ...]] = {
    "detection/alignment.py": (["tests/detection/test_alignment.py", "--noconftest"],),
    "encoder/pooling.py": (["tests/encoder/test_encoder.py", "-k", "pooling or spans or seam"],),
    "encoder/backbone/windows.py": (["tests/encoder/test_windows.py", "--noconftest"],),
    "search/extraction.py": (["tests/search/test_extraction.py", "-k", "not command"],),
    "candidates/mention_table.py": (
        [*QUICK, "tests/search/test_extraction.py", "-k", "not command"],
        SLOW,
    ),
    "search/mention_scores.py": (
        ["tests/search/test_mention_scores.py", "tests/queries/test_combined.py"],
        *INDEX,
    ),
    "storage/records.py": INDEX,
    "storage/revisions.py": INDEX,
    "storage/journal.py": INDEX,
    "index/writing.py": INDEX,
    "storage/store.py": INDEX,
    "storage/stored.py": INDEX,
    "search/encodings.py": INDEX,
    "ranking/smoothing.py": (["tests/ranking"],),
    "ranking/stages.py": (["tests/ranking"],),
    "storage/chroma.py": (*INDEX, SERVED),
}
PATIENCE = 4  # times the tests' duration without a fault; a child that takes longer is killed

SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Faulty replacements for a piece of code."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=comparators) if type(op) in SWAPS:
            yield ast.Compare(left, [SWAPS[type(op)]()], comparators)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPS:
            yield ast.BinOp(left, SWAPS[type(op)](), right)
            if isinstance(op, ast.Sub):
                yield left
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(SWAPS[type(op)](), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign():
            yield ast.Pass()
        case ast.If(test=ast.Name() | ast.Attribute() | ast.Call() as test):
            yield ast.If(ast.UnaryOp(ast.Not(), test), node.body, node.orelse)
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()


class Fault(ast.NodeTransformer):
    """Injects one fault into a module.

    Args:
        number: Index of the fault among all possible ones, in code order.

    Attributes:
        count: Number of possible faults.
        line: Line of the fault, once injected.
        what: The line and the code with the fault, once injected.
    """

    def __init__(self, number: int = -1) -> None:
        self.count, self.number, self.line, self.what = 0, number, 0, ""

    def visit(self, node: ast.AST) -> ast.AST:
        if _is_beside_the_point(node):
            return node
        for other in variants(node):
            if self.count == self.number:
                place = getattr(node, "lineno", None) or node.iter.lineno  # type: ignore[attr-defined]
                self.line = place
                self.what = f"{place}: {_shown(node)} -> {_shown(other)}"
                self.count += 1
                return ast.copy_location(other, node) if hasattr(node, "lineno") else other
            self.count += 1
        return self.generic_visit(node)


def _is_beside_the_point(node: ast.AST) -> bool:
    """Whether a node is a message, an annotation, or only a check or a memory optimization."""
    match node:
        case ast.JoinedStr() | ast.arg() | ast.keyword(arg="strict" | "slots" | "frozen"):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _shown(node: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).strip().partition("\n")[0]
    return f"`{text}`"


def faulty(source: str, number: int) -> tuple[ast.Module, Fault]:
    """A module with one fault, and the fault."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(ast.unparse(node.annotation))
    fault = Fault(number)
    tree = fault.visit(tree)
    return ast.fix_missing_locations(tree), fault


def tested(module: str, tree: ast.Module, tests: list[str], seconds: float) -> tuple[int, float]:
    """Run tests in a child with a module's code replaced; return its exit code and duration."""
    name = "ner_retriever_rag." + module.removesuffix(".py").replace("/", ".")
    started, child = time.perf_counter(), os.fork()
    if child == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        plain = importlib.machinery.SourceFileLoader.get_code

        def get_code(self, fullname):
            path = str(ROOT / "ner_retriever_rag" / module)
            return compile(tree, path, "exec") if fullname == name else plain(self, fullname)

        importlib.machinery.SourceFileLoader.get_code = get_code
        with tempfile.TemporaryDirectory() as place:
            options = ["-x", "-q", "-p", "no:cacheprovider", "--basetemp", f"{place}/t"]
            code = pytest.main([*options, *tests])
        os._exit(int(code))
    while time.perf_counter() - started < seconds:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), time.perf_counter() - started
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1, seconds


def import_the_rest(tests: list[str]) -> None:
    """Import everything that the tests need, except this repository, before forking children."""
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *tests])
    for name, module in list(sys.modules.items()):
        if name != "__main__" and str(getattr(module, "__file__", "")).startswith(str(ROOT)):
            del sys.modules[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="only modules whose path ends in this")
    parser.add_argument("--most", type=int, default=40, help="maximum faults per module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--lines", type=int, nargs="*", help="only faults that start on these lines"
    )
    parser.add_argument("--tests", help="pytest arguments, instead of the module's tests")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    for heavy in ("torch", "chromadb", "hypothesis", "transformers.models.bert.modeling_bert"):
        __import__(heavy)
    print("| module | possible | tried | noticed | not noticed | tests, s |")
    print("|---|---|---|---|---|---|")
    survivors = []
    for module, steps in TESTS.items():
        if not module.endswith(arguments.only):
            continue
        steps = (shlex.split(arguments.tests),) if arguments.tests else steps
        import_the_rest([each for step in steps for each in step])
        source = (ROOT / "ner_retriever_rag" / module).read_text()
        possible = faulty(source, -1)[1].count
        taken = []
        for step in steps:
            code, seconds = tested(module, faulty(source, -1)[0], step, 600)
            taken.append(seconds)
            if code:
                raise SystemExit(f"{module}: without a fault, {step} exits with {code}")
        chosen = random.Random(arguments.seed).sample(
            range(possible), min(arguments.most, possible)
        )
        faults = [faulty(source, number) for number in sorted(chosen)]
        if arguments.lines:
            faults = [each for each in faults if each[1].line in arguments.lines]
        unnoticed = []
        for tree, fault in faults:
            for step, seconds in zip(steps, taken, strict=True):
                code, _ = tested(module, tree, step, 20 + PATIENCE * seconds)
                if code:
                    break
            else:
                unnoticed.append(f"{module}:{fault.what}")
                print(unnoticed[-1], file=sys.stderr, flush=True)
        survivors += unnoticed
        tried = len(faults)
        print(
            f"| {module} | {possible} | {tried} | {tried - len(unnoticed)} | {len(unnoticed)} | "
            f"{sum(taken):.0f} |",
            flush=True,
        )
    print("\nNot noticed:\n")
    for each in survivors:
        print(f"- {each}")


if __name__ == "__main__":
    main()
