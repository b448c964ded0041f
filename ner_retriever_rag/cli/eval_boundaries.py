"""``ner-retriever eval --boundaries``: evaluate the detector on pages and gold mentions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from ner_retriever_rag.cli.console import err, out

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


def evaluate_boundaries(
    data: Path | None, sets: Sequence[str], texts: int, encoder: TypeAwareEncoder
) -> None:
    """Evaluate an encoder's detector and print the results.

    Args:
        data: Folder with boundaries/, domains/ or fewnerd/; None for the pages only.
        sets: Names of the sets to use; empty for all.
        texts: Maximum texts per set.
        encoder: Encoder whose detector is evaluated.

    Raises:
        FileNotFoundError: If there are no sets under ``data``.
        ValueError: If one of ``sets`` does not exist, or sets are requested without ``data``.
    """
    from ner_retriever_rag.evaluation.boundaries import measure_pages, measure_sets

    if sets and data is None:
        raise ValueError("--sets needs --data, the folder with the sets")
    if not sets:
        err.print("pages")
        pages = Table("page", box=None, header_style="bold")
        for column in ("pages", "found in prose", "on the page", "share"):
            pages.add_column(column, justify="right")
        shapes = measure_pages(encoder.detect)
        known, found = (sum(getattr(each, of) for each in shapes) for of in ("names", "found"))
        rows = [(each.name, each.pages, each.names, each.found) for each in shapes]
        for name, count, names, there in [*rows, ("all", sum(r[1] for r in rows), known, found)]:
            pages.add_row(name, str(count), str(names), str(there), f"{there / max(names, 1):.3f}")
        out.print(pages)
    if data is None:
        return
    table = Table("set", box=None, header_style="bold")
    for column in ("texts", "mentions", "exact", "overlapping", "per sentence"):
        table.add_column(column, justify="right")
    for each in measure_sets(data, sets, texts, encoder.detect):
        err.print(f"{each.name}: exact {each.exact:.3f}, overlapping {each.overlapping:.3f}")
        table.add_row(
            each.name, f"{each.texts:,}", f"{each.mentions:,}", f"{each.exact:.3f}",
            f"{each.overlapping:.3f}", f"{each.per_sentence:.2f}",
        )  # fmt: skip
    out.print(table)
