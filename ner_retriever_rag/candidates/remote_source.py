"""Base class of the candidate sources that hold no mentions themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.joining import merge_tables, without_mentionless
from ner_retriever_rag.candidates.mention_table import MentionTable, table_of_records
from ner_retriever_rag.schema import BackgroundSample
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.protocol import DocumentStore

_PAGE = 1_000  # documents read at once


class RemoteSource(ABC):
    """Base class of the sources that request candidates from elsewhere.

    Args:
        store: The documents of the candidates.
        dim: Width of the vectors.
    """

    def __init__(self, store: DocumentStore, dim: int) -> None:
        self._documents, self._dim = store, dim

    @property
    @abstractmethod
    def background(self) -> BackgroundSample:
        """Background sample of all mentions."""

    @abstractmethod
    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """Return the candidates nearest to the vectors."""

    @abstractmethod
    def of_names(self, names: Iterable[str]) -> MentionTable:
        """Return the candidates with the given names, in any spelling."""

    @abstractmethod
    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """Return all candidates of the given documents; unknown ids are ignored."""

    def pages(self, where: Mapping[str, Any] | None = None) -> Iterator[MentionTable]:
        """Yield all candidates of the documents that pass a filter, in order of document id."""
        for some in batches(sorted(self._documents.document_ids(where)), _PAGE):
            found = self._documents.fetch(some)
            records = [found[each] for each in some if each in found]
            yield table_of_records(records, self._documents, self._dim)

    def _compared_with_all(self, vectors: NDArray[np.float32], n: int) -> MentionTable:
        """Return the n candidates nearest to each vector, comparing all of them page by page."""
        best = self.of_documents([])
        for page in self.pages():
            best = nearest_of(merge_tables([best, page]), vectors, n)
        return merge_tables([best], self.background)


def nearest_of(table: MentionTable, vectors: NDArray[np.float32], n: int) -> MentionTable:
    """Return the n mentions of a table nearest to each vector, float32 ``(m, dim)``."""
    if len(table) <= n:
        return table
    values = vectors @ table.vectors.T
    near = np.argpartition(-values, n - 1, axis=1)[:, :n]
    return without_mentionless(table.only(np.unique(near)))
