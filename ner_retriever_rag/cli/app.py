"""The ``ner-retriever`` application and its commands."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Callable
from functools import cache
from io import TextIOWrapper
from typing import Annotated

import typer

from ner_retriever_rag import __version__
from ner_retriever_rag.cli.bulk import bulk
from ner_retriever_rag.cli.check import check
from ner_retriever_rag.cli.demo import demo
from ner_retriever_rag.cli.entities import entities
from ner_retriever_rag.cli.estimate import estimate
from ner_retriever_rag.cli.eval import evaluate
from ner_retriever_rag.cli.extract import extract
from ner_retriever_rag.cli.facets import facets
from ner_retriever_rag.cli.index import index
from ner_retriever_rag.cli.mcp import mcp
from ner_retriever_rag.cli.merge_split import merge, split
from ner_retriever_rag.cli.probe import probe
from ner_retriever_rag.cli.search import search
from ner_retriever_rag.cli.serve import serve
from ner_retriever_rag.cli.stats import stats
from ner_retriever_rag.cli.train import train_app
from ner_retriever_rag.cli.ui import ui

# Each command, with the example shown at the end of its --help.
COMMANDS: list[tuple[str, Callable[..., None], str]] = [
    ("index", index, "articles/ rows.jsonl --index my-index"),
    ("bulk", bulk, "rows.parquet --server http://one:8000 --server http://two:8000"),
    ("search", search, 'my-index "river" --any-of lake --not city --about "in Asia"'),
    ("entities", entities, 'my-index "dinosaur" --out dinosaurs.csv'),
    ("merge", merge, 'my-index "Apple" "Apple Inc."'),
    ("split", split, 'my-index "Jordan" "Michael Jordan"'),
    ("estimate", estimate, "my-index company"),
    ("facets", facets, "my-index -n 20"),
    ("extract", extract, "my-index --type river --type lake --out rows.csv"),
    ("stats", stats, "my-index"),
    ("check", check, "my-index --repair"),
    ("serve", serve, "my-index --port 8000"),
    ("mcp", mcp, "my-index"),
    ("ui", ui, "my-index --port 8080"),
    ("demo", demo, '"castle" "Canadian politician"'),
    ("probe", probe, "mentions.jsonl --backbone meta-llama/Llama-3.1-8B --out probe"),
    ("eval", evaluate, "fewnerd-test --data data"),
]

_GC_THRESHOLD = 50_000  # allocations between two collections of the youngest generation

app = typer.Typer(
    name="ner-retriever",
    help="Find documents by the type of the entities they mention.",
    epilog="Example: ner-retriever demo",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for _name, _command, _example in COMMANDS:
    app.command(_name, epilog=f"Example: ner-retriever {_name} {_example}")(_command)
app.add_typer(
    train_app,
    name="train",
    epilog="Example: ner-retriever train types labelled.jsonl --out my-encoder",
)


@cache
def _collect_less_garbage() -> None:
    """Save a quarter of the time of a short command: its imports create hardly any garbage."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)  # the interpreter looks for cycles once more when it exits


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ner-retriever {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_say_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Find documents by the type of the entities they mention."""
    _collect_less_garbage()
    # Documents may contain characters that the terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
