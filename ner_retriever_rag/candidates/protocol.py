"""What every source of candidates can do: a folder's table, an engine's own search, several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.schema import BackgroundSample


class CandidateSource(Protocol):
    """Candidates as tables; each knows the background sample of all, too."""

    @property
    def count(self) -> int:
        """How many candidates there are."""

    @property
    def background(self) -> BackgroundSample:
        """A sample that represents all of them."""

    def nearest(
        self, vector: NDArray[np.float32], n: int, documents: Iterable[str] | None = None
    ) -> MentionTable:
        """About n candidates nearest to a vector, or more; of some documents, too, if given.

        Args:
            vector: float32 ``(dim,)``.
            n: How many, if there are so many.
            documents: Ids of documents that may be found; about half as many of theirs as well.
        """

    def of_name(self, name: str) -> MentionTable:
        """All candidates that are spelled so, case aside."""

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """All candidates of some documents; unknown ids are left out."""

    def pages(self, size: int) -> Iterator[MentionTable]:
        """All candidates, ``size`` at a time."""


class IndexedSource(CandidateSource, Protocol):
    """The candidates of an index, of which no more may be at hand than a search asked for."""

    @property
    def most(self) -> int | None:
        """How many candidates ``nearest_to`` gives for a vector at most; None for no bound."""

    def nearest_to(
        self, vectors: NDArray[np.float32], n: int, *, exact: bool = False
    ) -> MentionTable:
        """The candidates nearest to several vectors: about n for each, or all if no dearer.

        Args:
            vectors: float32 ``(m, dim)``.
            n: How many.
            exact: Compare with all there are, however long it takes.
        """

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """The candidates of some names, however these are spelled."""

    def page_by_page(self, where: Mapping[str, Any] | None = None) -> Iterator[MentionTable]:
        """All candidates of the documents that pass a filter, these in order of their ids.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """

    def sampled_documents(self, n: int) -> list[str]:
        """The ids of documents chosen by their ids' hashes, n or up to twice as many."""
