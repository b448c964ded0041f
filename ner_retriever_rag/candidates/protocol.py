"""What every source of candidates can do: a folder's table, an engine's own search, several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

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
