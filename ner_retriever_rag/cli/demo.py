"""``ner-retriever demo``."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Annotated

import typer
from rich.text import Text

from ner_retriever_rag.cli.console import err, out, report_errors
from ner_retriever_rag.cli.sources import FileSource

SAMPLE = "simple-wikipedia-sample.jsonl"
QUERIES = [
    "dinosaur",
    "volcano",
    "programming language",
    "football club",
    "drug that treats a disease",
    "river",
]


def demo(
    queries: Annotated[
        list[str] | None,
        typer.Argument(help="Type descriptions to search for.", show_default=", ".join(QUERIES)),
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--index", help="Folder of the index.", show_default="in memory")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of documents per query.")] = 3,
) -> None:
    """Index the bundled sample (Simple English Wikipedia) and search it for entity types."""
    with report_errors():
        err.print("loading the encoder ...")
        from ner_retriever_rag.index.entity_index import EntityIndex
        from ner_retriever_rag.index.render import print_matches

        index = EntityIndex(folder)
        with as_file(files("ner_retriever_rag.cli") / SAMPLE) as sample:
            documents = list(FileSource([sample]))
        report = index.add(documents, progress=True)
        err.print(f"{index.count()} articles, {report.mentions} new mentions")
        for query in queries or QUERIES:
            out.print()
            out.print(Text(query, style="bold"))
            print_matches(out, index.search(query, k))
        out.print()
        out.print(f"Try next: {_next(folder)}")


def _next(folder: str | None) -> str:
    if folder is None:
        return 'ner-retriever demo "Canadian politician" "moon" --index demo-index'
    return f'ner-retriever search {folder} "moon" --about "that has water"'
