"""The interface of candidate sources: a folder's table, Chroma's own search, or several sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.schema import BackgroundSample


class CandidateSource(Protocol):
    """The mentions of an index, which need not be held in memory beyond what a search requests.

    Candidates are returned as tables. Each table also has the background sample of all mentions.
    """

    @property
    def count(self) -> int:
        """Number of mentions."""

    @property
    def background(self) -> BackgroundSample:
        """Background sample of all mentions."""

    @property
    def max_results(self) -> int | None:
        """Most candidates that ``nearest`` returns per vector; None for no limit."""

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """Return the candidates nearest to the vectors: about n for each, or all if as cheap.

        Args:
            vectors: float32 ``(m, dim)``.
            n: Number of candidates per vector.
            exact: Compare with every mention, however long it takes.
        """

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """Return the candidates with the given names, in any spelling."""

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """Return all candidates of the given documents; unknown ids are ignored."""

    def pages(self, where: Mapping[str, Any] | None = None) -> Iterator[MentionTable]:
        """Yield all candidates of the documents that pass a filter, in order of document id.

        Raises:
            ValueError: If Chroma rejects ``where``.
        """

    def sampled_documents(self, n: int) -> list[str]:
        """Return the ids of documents sampled by the hash of their id, n to 2n of them."""
