"""``ner-retriever check``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    load_encoder,
    out,
    print_json,
    report_errors,
)

if TYPE_CHECKING:
    from ner_retriever_rag.index.check import Findings

_MAX_IDS = 10  # ids printed per kind of problem


def check(
    folder: IndexLocation,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the index: encode again from the stored texts.")
    ] = False,
    collection: Annotated[
        str | None, typer.Option(help="Name of the index, if the folder holds several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    encoder: SavedEncoder = None,
) -> None:
    """Check the integrity of an index: its documents, mentions and vectors.

    The exit code is 0 if there are no problems or all were repaired, 1 otherwise.
    """
    with report_errors():
        from ner_retriever_rag.index.check import check as check_index
        from ner_retriever_rag.index.check import repair as repair_index
        from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION
        from ner_retriever_rag.storage.chroma import is_address, require_index
        from ner_retriever_rag.storage.roles import index_names

        name = collection or DEFAULT_COLLECTION
        require_index(folder, name)
        loaded = load_encoder(encoder)
        findings = (repair_index if repair else check_index)(folder, name, loaded)
        # On a server, which may hold collections of other programs, only the named index is read.
        others = [] if is_address(folder) else [n for n in index_names(Path(folder)) if n != name]
    if as_json:
        print_json([asdict(findings)])
    else:
        _print(findings)
        for other in others:
            out.print(one_line(f"not checked: the index {other!r} (--collection {other})"))
    if findings.lost or not (repair or findings.sound):
        raise typer.Exit(1)


def _print(findings: Findings) -> None:
    out.print(f"{findings.documents:,} documents, {findings.mentions:,} mentions")
    for name, problem in findings.graphs.items():
        out.print(Text(one_line(f"damaged vectors in {name}: {problem}"), style="red"))
    for what, found in (
        (
            f"more metadata than Chroma can write unless kept as JSON: {_join_ids(findings.stuck)}",
            findings.stuck,
        ),
        (f"{findings.unfinished} unfinished writes", findings.unfinished),
        (f"{len(findings.orphans):,} mention rows without a document", findings.orphans),
        (f"without all mentions or vectors: {_join_ids(findings.incomplete)}", findings.incomplete),
        (f"unreadable records: {_join_ids(findings.unreadable)}", findings.unreadable),
        (f"encoded again: {_join_ids(findings.mended)}", findings.mended),
        (f"lost, index them again: {_join_ids(findings.lost)}", findings.lost),
    ):
        if found:
            out.print(one_line(what))
    if findings.sound:
        out.print("no problems found")
    for name, problem in findings.tables.items():
        out.print(
            one_line(f"stored table {name}" + (f": {problem}, to be rebuilt" if problem else ""))
        )
    for what, names in (("left over", findings.leftovers), ("not ours", findings.foreign)):
        if names:
            out.print(one_line(f"{what}: {_join_ids(names)}"))


def _join_ids(ids: Iterable[str]) -> str:
    listed = list(ids)
    rest = f" and {len(listed) - _MAX_IDS:,} more" if len(listed) > _MAX_IDS else ""
    return ", ".join(listed[:_MAX_IDS]) + rest
