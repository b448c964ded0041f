"""Candidates from the table of an index's mentions, kept up to date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import LARGE
from ner_retriever_rag.candidates.folder import FolderCandidates
from ner_retriever_rag.candidates.joining import without_mentionless
from ner_retriever_rag.candidates.mention_table import MentionTable, put_together
from ner_retriever_rag.candidates.nearest import NEAREST
from ner_retriever_rag.candidates.tables import CurrentTable
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.mention_rows import hash_share
from ner_retriever_rag.storage.protocol import DocumentStore

_PAGE = 1_000  # documents given at once


class TableSource(FolderCandidates):
    """The mentions of a folder.

    Args:
        tables: Their table.
        store: Where their documents are.
    """

    most = None

    def __init__(self, tables: CurrentTable, store: DocumentStore) -> None:
        self._tables, self._store = tables, store

    @property
    def table(self) -> MentionTable:  # type: ignore[override]  # it changes
        """The table of what there is now."""
        return self._tables.current()

    def nearest_to(
        self, vectors: NDArray[np.float32], n: int, *, exact: bool = False
    ) -> MentionTable:
        """The candidates nearest to several vectors; of a small folder, or for ``exact``, all."""
        table = self.table
        if exact or len(table) <= LARGE:
            return table
        here = FolderCandidates(table)
        near = [here.rows_near(vector, max(n, NEAREST)) for vector in vectors]
        return without_mentionless(table.only(np.unique(np.concatenate(near))))

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """The candidates of some names, however these are spelled."""
        found = np.flatnonzero(np.isin(self.table.names, name_hashes(names)))
        return without_mentionless(self.table.only(found))

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """All candidates of some documents; unknown ids are left out."""
        rows = np.sort(self.table.documents(dict.fromkeys(ids)))
        return _part(self.table, rows.tolist())

    def page_by_page(self, where: Mapping[str, Any] | None = None) -> Iterator[MentionTable]:
        """All candidates of the documents that pass a filter, these in order of their ids."""
        table = self.table
        rows: Iterable[int] = range(len(table.doc_ids))
        if where:
            rows = np.sort(table.documents(self._store.document_ids(where))).tolist()
        for some in batches(rows, _PAGE):
            yield _part(table, some)

    def sampled_documents(self, n: int) -> list[str]:
        """The ids of documents chosen by their ids' hashes, about one and a half times n."""
        ids = self.table.doc_ids
        return [each for each in ids if hash_share(each) * len(ids) <= 1.5 * n]


def _part(table: MentionTable, rows: Iterable[int]) -> MentionTable:
    """The table of some documents of a table."""
    part = put_together([(table, row) for row in rows], table.vectors.shape[1])
    return replace(part, sample=table.background)
