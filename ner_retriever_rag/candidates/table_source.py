"""Candidates from the table of an index's mentions, kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import LARGE
from ner_retriever_rag.candidates.joining import without_mentionless
from ner_retriever_rag.candidates.mention_table import MentionTable, put_together
from ner_retriever_rag.candidates.nearest import NEAREST, rows_near
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.schema import BackgroundSample
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.mention_rows import hash_share

_PAGE = 1_000  # documents given at once


class TableSource:
    """The mentions of a table.

    Args:
        current: Gives the table as it is now.
        document_ids: Gives the ids of documents that pass a filter; None if none is asked.
    """

    most = None

    def __init__(
        self,
        current: Callable[[], MentionTable],
        document_ids: Callable[[Mapping[str, Any]], Iterable[str]] | None = None,
    ) -> None:
        self._current, self._document_ids = current, document_ids

    @property
    def count(self) -> int:
        """How many mentions there are."""
        return len(self._current())

    @property
    def background(self) -> BackgroundSample:
        """A sample that represents all of them."""
        return self._current().background

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """The candidates nearest to several vectors; of a small table, or for ``exact``, all."""
        table = self._current()
        if exact or len(table) <= LARGE:
            return table
        near = [rows_near(table, vector, max(n, NEAREST)) for vector in vectors]
        return without_mentionless(table.only(np.unique(np.concatenate(near))))

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """The candidates of some names, however these are spelled."""
        table = self._current()
        found = np.flatnonzero(np.isin(table.names, name_hashes(names)))
        return without_mentionless(table.only(found))

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """All candidates of some documents; unknown ids are left out."""
        table = self._current()
        return _part(table, np.sort(table.documents(dict.fromkeys(ids))).tolist())

    def pages(self, where: Mapping[str, Any] | None = None) -> Iterator[MentionTable]:
        """All candidates of the documents that pass a filter, these in order of their ids."""
        table = self._current()
        rows: Iterable[int] = range(len(table.doc_ids))
        if where and self._document_ids is not None:
            rows = np.sort(table.documents(self._document_ids(where))).tolist()
        for some in batches(rows, _PAGE):
            yield _part(table, some)

    def sampled_documents(self, n: int) -> list[str]:
        """The ids of documents chosen by their ids' hashes, about one and a half times n."""
        ids = self._current().doc_ids
        return [each for each in ids if hash_share(each) * len(ids) <= 1.5 * n]


def _part(table: MentionTable, rows: Iterable[int]) -> MentionTable:
    """The table of some documents of a table."""
    part = put_together([(table, row) for row in rows], table.vectors.shape[1])
    return replace(part, sample=table.background)
