"""``ner-retriever search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    Where,
    err,
    open_index,
    out,
    parse_where,
    print_json,
    report_errors,
)
from ner_retriever_rag.cli.query_options import (
    About,
    AllOfTypes,
    AnyOfTypes,
    LikeNames,
    NotTypes,
    Types,
    UnlikeNames,
    build_query,
    describe_query,
    result_limit,
)
from ner_retriever_rag.cli.rows import atomic_write, check_folder
from ner_retriever_rag.schema import DocumentMatch

_K = 10


def search(
    folder: IndexLocation,
    wanted: Types = None,
    any_of: AnyOfTypes = None,
    all_of: AllOfTypes = None,
    none_of: NotTypes = None,
    like: LikeNames = None,
    unlike: UnlikeNames = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="Maximum number of documents.", show_default="10"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Return all documents above the threshold.")
    ] = False,
    offset: Annotated[int, typer.Option(min=0, help="Number of top documents to skip.")] = 0,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Minimum score of a document.",
            show_default="none; with --all the one that maximizes expected F1",
        ),
    ] = None,
    max_matches: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of matches per document.", show_default="all"),
    ] = None,
    where: Where = None,
    about: About = None,
    topic_weight: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Weight of the topic.", show_default="0.7"),
    ] = None,
    exact: Annotated[bool, typer.Option(help="Compare the query with every mention.")] = False,
    sharpen: Annotated[
        bool, typer.Option("--sharpen/--no-sharpen", help="Refine scores by kernel smoothing.")
    ] = True,
    rerank: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of top mentions per type that the pair model reranks.",
            show_default="30; 150 for more results",
        ),
    ] = None,
    named: Annotated[
        bool | None,
        typer.Option(
            "--named/--common-nouns",
            help="Prefer names, or rank common nouns equally.",
            show_default="by the top candidates",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="HTML file to write, with highlights.", show_default=False)
    ] = None,
    encoder: SavedEncoder = None,
) -> None:
    """Find the documents that mention entities of a type.

    With several types: TYPE or any of --any-of, and every --all-of, and none of --not.
    """
    with report_errors():
        most = result_limit(k, everything, _K)
        if html is not None:
            check_folder(html, "--html")
        query = build_query(wanted, any_of, all_of, none_of, like, unlike)
        matches = open_index(folder, encoder).search(
            query,
            most,
            where=parse_where(where),
            score_threshold=threshold,
            about=about,
            topic_weight=topic_weight,
            exact=exact,
            rerank=rerank,
            named=named,
            sharpen=sharpen,
            offset=offset,
            max_matches=max_matches,
        )
        title = describe_query(query) if about is None else f"{describe_query(query)}, {about}"
        if html is not None:
            _write_page(matches, title, html)
        if as_json:
            print_json(map(_row, matches))
        elif html is None:
            _print(matches, title)


def _print(matches: list[DocumentMatch], title: str) -> None:
    from ner_retriever_rag.index.render import print_matches

    out.print(Text(one_line(title), style="bold"))
    print_matches(out, matches)


def _write_page(matches: list[DocumentMatch], title: str, path: Path) -> None:
    from ner_retriever_rag.index.render import page

    with atomic_write(path) as part:
        part.write_text(page(matches, title), encoding="utf-8")
    err.print(f"{len(matches):,} documents in {path}")


def _row(match: DocumentMatch) -> dict[str, Any]:
    return {
        "doc_id": match.doc_id,
        "score": match.score,
        "matches": [each.as_row(with_type=True) for each in match.matches],
        "metadata": dict(match.metadata),
        "text": match.text,
    }
