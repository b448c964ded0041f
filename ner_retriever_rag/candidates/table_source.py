"""Candidates from the up-to-date table of an index's mentions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import LARGE
from ner_retriever_rag.candidates.joining import without_mentionless
from ner_retriever_rag.candidates.mention_table import MentionTable, gather_documents
from ner_retriever_rag.candidates.nearest import NEAREST, rows_near
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.schema import BackgroundSample
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.mention_rows import hash_share

_PAGE = 1_000  # documents per page


class TableSource:
    """The mentions of a table.

    Args:
        current: Returns the current table.
        document_ids: Returns the ids of documents that pass a filter; None if no filter is used.
    """

    max_results = None

    def __init__(
        self,
        current: Callable[[], MentionTable],
        document_ids: Callable[[Mapping[str, Any]], Iterable[str]] | None = None,
    ) -> None:
        self._current, self._document_ids = current, document_ids

    @property
    def count(self) -> int:
        """Number of mentions."""
        return len(self._current())

    @property
    def background(self) -> BackgroundSample:
        """Background sample of all mentions."""
        return self._current().background

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """Return the candidates nearest to the vectors; all if the table is small or ``exact``."""
        table = self._current()
        if exact or len(table) <= LARGE:
            return table
        near = [rows_near(table, vector, max(n, NEAREST)) for vector in vectors]
        return without_mentionless(table.only(np.unique(np.concatenate(near))))

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """Return the candidates with the given names, in any spelling."""
        table = self._current()
        found = np.flatnonzero(np.isin(table.names, name_hashes(names)))
        return without_mentionless(table.only(found))

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """Return all candidates of the given documents; unknown ids are ignored."""
        table = self._current()
        return _part(table, np.sort(table.documents(dict.fromkeys(ids))).tolist())

    def pages(self, where: Mapping[str, Any] | None = None) -> Iterator[MentionTable]:
        """Yield all candidates of the documents that pass a filter, in order of document id."""
        table = self._current()
        rows: Iterable[int] = range(len(table.doc_ids))
        if where and self._document_ids is not None:
            rows = np.sort(table.documents(self._document_ids(where))).tolist()
        for some in batches(rows, _PAGE):
            yield _part(table, some)

    def sampled_documents(self, n: int) -> list[str]:
        """Return the ids of documents sampled by the hash of their id, about 1.5n of them."""
        ids = self._current().doc_ids
        return [each for each in ids if hash_share(each) * len(ids) <= 1.5 * n]


def _part(table: MentionTable, rows: Iterable[int]) -> MentionTable:
    """Return the table of some documents of a table."""
    part = gather_documents([(table, row) for row in rows], table.vectors.shape[1])
    return replace(part, sample=table.background)
