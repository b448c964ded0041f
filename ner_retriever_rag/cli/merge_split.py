"""``ner-retriever merge`` and ``split``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ner_retriever_rag._markup import one_line
from ner_retriever_rag.cli.console import (
    IndexLocation,
    SavedEncoder,
    open_index,
    out,
    report_errors,
)

if TYPE_CHECKING:
    from ner_retriever_rag.index.decisions import Decisions

Names = Annotated[list[str], typer.Argument(help="Names of entities.")]
Forget = Annotated[
    bool, typer.Option("--undo", help="Undo earlier decisions about these names instead.")
]


def merge(
    folder: IndexLocation, names: Names, undo: Forget = False, encoder: SavedEncoder = None
) -> None:
    """Merge names into one entity; the index remembers the decision."""
    with report_errors(), open_index(folder, encoder) as index:
        _print(index.undecide(*names) if undo else index.merge(*names))


def split(
    folder: IndexLocation, names: Names, undo: Forget = False, encoder: SavedEncoder = None
) -> None:
    """Split names into separate entities; the index remembers the decision."""
    with report_errors(), open_index(folder, encoder) as index:
        _print(index.undecide(*names) if undo else index.split(*names))


def _print(decisions: Decisions) -> None:
    for group in decisions.merged:
        out.print(one_line(f"one: {' · '.join(group)}"))
    for pair in decisions.split:
        out.print(one_line(f"two: {' · '.join(pair)}"))
    if not decisions.merged and not decisions.split:
        out.print("no decisions recorded")
