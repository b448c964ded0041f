"""Add documents to an index under a bar that moves."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from tqdm import tqdm

from ner_retriever_rag.schema import AddReport, Document

if TYPE_CHECKING:
    from ner_retriever_rag.index.entity_index import EntityIndex

_SECONDS = 1.0  # between two moves of the bar
_FIRST, _MOST = 16, 1024  # documents of a step


def add_all(index: EntityIndex, documents: Iterable[Document], total: int | None) -> AddReport:
    """Add documents in steps of about a second each.

    Args:
        index: Where to.
        documents: No id twice.
        total: How many there are, if that is known.

    Returns:
        What was done, all steps together; what could not be indexed is in its ``failed``.
    """
    report, size, stream = AddReport(), _FIRST, iter(documents)
    with tqdm(total=total, unit="document", smoothing=0.1) as bar:
        while step := list(islice(stream, size)):
            begun = time.monotonic()
            report += index.add(step, errors="skip")
            bar.update(len(step))
            speed = len(step) / max(time.monotonic() - begun, 1e-3)
            size = round(min(max(speed * _SECONDS, size / 2, 1), 2 * size, _MOST))
    return report
