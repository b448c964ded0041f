"""Merge tables of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable, offsets_of
from ner_retriever_rag.schema import BackgroundSample

_OF_MENTIONS = (
    "starts", "ends", "last_words", "names", "nearby", "priorities", "words", "offsets", "vectors",
)  # fmt: skip


def merge_tables(
    tables: Sequence[MentionTable], sample: BackgroundSample | None = None
) -> MentionTable:
    """Merge tables: the union of their mentions, deduplicated, and all their documents.

    If a document has different versions, the mentions in the last table count, as that table was
    read last.

    Args:
        tables: One or more.
        sample: Background sample of all mentions; None to take the first table's.
    """
    version: dict[str, str] = {}
    cased: dict[str, bool] = {}
    for table in tables:
        version.update(zip(table.doc_ids, table.versions, strict=True))
        cased.update(zip(table.doc_ids, table.cased.tolist(), strict=True))
    doc_ids = sorted(version)
    number = {doc_id: row for row, doc_id in enumerate(doc_ids)}
    kept = [_current(table, version) for table in tables]
    owner = _column(
        [
            np.array([number[each] for each in table.doc_ids], dtype=np.int64)[table.owner[places]]
            for table, places in zip(tables, kept, strict=True)
        ]
    )

    def column(name: str) -> NDArray[Any]:
        parts = [getattr(t, name)[some] for t, some in zip(tables, kept, strict=True)]
        return np.concatenate(parts)

    starts, ends = column("starts"), column("ends")
    order = np.lexsort((ends, starts, owner))  # stable: of duplicates, the earlier table's
    place = np.stack([owner, starts, ends], axis=1)[order]
    new = np.append(True, (place[1:] != place[:-1]).any(axis=1))[: len(order)]
    rows = order[new]
    words = [
        table.words[first:last].tobytes()
        for table, some in zip(tables, kept, strict=True)
        for first, last in table.offsets[some].tolist()
    ]
    chosen = [words[row] for row in rows.tolist()]
    return MentionTable(
        doc_ids,
        [version[each] for each in doc_ids],
        np.array([cased[each] for each in doc_ids], dtype=np.bool_),
        np.append(0, np.cumsum(np.bincount(owner[rows], minlength=len(doc_ids)))),
        starts[rows],
        ends[rows],
        column("last_words")[rows],
        column("names")[rows],
        column("nearby")[rows],
        column("priorities")[rows],
        np.frombuffer(b"".join(chosen), dtype=np.uint8),
        offsets_of([len(each) for each in chosen]),
        column("vectors")[rows],
        sample=tables[0].background if sample is None else sample,
    )


def without_mentionless(table: MentionTable) -> MentionTable:
    """Return a table without the documents that have no mention in it."""
    there = np.flatnonzero(np.diff(table.first))
    if len(there) == len(table.doc_ids):
        return table
    columns = {name: getattr(table, name) for name in _OF_MENTIONS}
    return MentionTable(
        [table.doc_ids[row] for row in there],
        [table.versions[row] for row in there],
        table.cased[there],
        np.append(table.first[there], table.first[-1]),
        **columns,
        sample=table.background,
    )


def _current(table: MentionTable, version: dict[str, str]) -> NDArray[np.intp]:
    """Return the rows of the mentions whose document version counts."""
    counts = [
        version[doc_id] == its for doc_id, its in zip(table.doc_ids, table.versions, strict=True)
    ]
    return np.flatnonzero(np.array(counts, dtype=np.bool_)[table.owner])


def _column(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
