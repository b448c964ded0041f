"""The command line: ``ner-retriever``."""

from __future__ import annotations

import typer

from ner_retriever_rag.cli.demo import demo
from ner_retriever_rag.cli.eval import evaluate
from ner_retriever_rag.cli.extract import extract
from ner_retriever_rag.cli.facets import facets
from ner_retriever_rag.cli.index import index
from ner_retriever_rag.cli.mcp import mcp
from ner_retriever_rag.cli.probe import probe
from ner_retriever_rag.cli.search import search
from ner_retriever_rag.cli.stats import stats
from ner_retriever_rag.cli.train import train_app

app = typer.Typer(
    name="ner-retriever",
    help="Find documents by the type of the entities they mention.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for command in (index, search, stats, facets, extract, mcp, demo, probe):
    app.command()(command)
app.command("eval")(evaluate)
app.add_typer(train_app, name="train")
