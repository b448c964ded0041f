"""Where candidates come from: a folder's table, an engine's own search, or several of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.schema import BackgroundSample


class CandidateSource(Protocol):
    """The mentions of an index, of which no more may be at hand than a search asks for.

    Candidates come as tables; each knows the background sample of all mentions, too.
    """

    @property
    def count(self) -> int:
        """How many mentions there are."""

    @property
    def background(self) -> BackgroundSample:
        """A sample that represents all of them."""

    @property
    def most(self) -> int | None:
        """How many candidates ``nearest`` gives for a vector at most; None for no bound."""

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """The candidates nearest to several vectors: about n for each, or all if no dearer.

        Args:
            vectors: float32 ``(m, dim)``.
            n: How many.
            exact: Compare with all there are, however long it takes.
        """

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """The candidates of some names, however these are spelled."""

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """All candidates of some documents; unknown ids are left out."""

    def pages(self, where: Mapping[str, Any] | None = None) -> Iterator[MentionTable]:
        """All candidates of the documents that pass a filter, these in order of their ids.

        Raises:
            ValueError: If Chroma refuses ``where``.
        """

    def sampled_documents(self, n: int) -> list[str]:
        """The ids of documents chosen by their ids' hashes, n or up to twice as many."""
