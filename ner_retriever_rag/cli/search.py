"""``ner-retriever search``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ner_retriever_rag.cli.console import (
    IndexFolder,
    SavedEncoder,
    Where,
    errors_in_one_line,
    open_index,
    out,
    parse_where,
    print_matches,
)
from ner_retriever_rag.schema import DocumentMatch


def search(
    folder: IndexFolder,
    query: Annotated[
        str, typer.Argument(help='Type description, such as "Swedish football club".')
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="How many documents at most.")] = 10,
    everything: Annotated[
        bool, typer.Option("--all", help="All documents above the threshold.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Least score of a document.", show_default="none; 0.5 with --all"
        ),
    ] = None,
    where: Where = None,
    about: Annotated[
        str | None, typer.Option(help='A topic, that goes on after the type: "found in Argentina".')
    ] = None,
    topic_weight: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="How much the topic counts.", show_default="0.7"),
    ] = None,
    exact: Annotated[bool, typer.Option(help="Compare with every mention.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    encoder: SavedEncoder = None,
) -> None:
    """Find the documents that mention entities of a type."""
    with errors_in_one_line():
        matches = open_index(folder, encoder).search(
            query,
            None if everything else k,
            where=parse_where(where),
            score_threshold=threshold,
            exact=exact,
            about=about,
            topic_weight=topic_weight,
        )
        if not as_json:
            print_matches(query, matches)
            return
        for match in matches:
            out.print(json.dumps(_row(match), ensure_ascii=False), markup=False)


def _row(match: DocumentMatch) -> dict[str, Any]:
    return {
        "doc_id": match.doc_id,
        "score": match.score,
        "matches": [
            {"text": each.text, "start": each.start, "end": each.end, "score": each.score}
            for each in match.matches
        ],
        "metadata": dict(match.metadata),
        "text": match.text,
    }
