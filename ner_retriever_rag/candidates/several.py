"""Candidates from several sources, queried in parallel and merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.elsewhere import Elsewhere
from ner_retriever_rag.candidates.joining import joined
from ner_retriever_rag.candidates.mention_table import MentionTable, background_of
from ner_retriever_rag.candidates.protocol import CandidateSource
from ner_retriever_rag.schema import BackgroundSample
from ner_retriever_rag.storage.answering import Answering
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.shards import by_shard

T = TypeVar("T")


class SeveralSources(Elsewhere):
    """The mentions of several shards.

    Args:
        sources: One source per shard; the hash of a document's id determines its shard.
        store: The documents of all shards.
        dim: Width of the vectors.
        answering: Queries the shards in parallel.

    Attributes:
        sources: One source per shard.
    """

    def __init__(
        self,
        sources: Sequence[CandidateSource],
        store: DocumentStore,
        dim: int,
        answering: Answering,
    ) -> None:
        super().__init__(store, dim)
        self.sources, self._answering = sources, answering
        self._latest: BackgroundSample | None = None

    @property
    def most(self) -> int | None:
        """Most mentions that ``nearest`` returns per vector; None for no limit."""
        bounds = [each.most for each in self.sources if each.most is not None]
        return min(bounds, default=None)

    @property
    def count(self) -> int:
        """Number of mentions."""
        return sum(self._ask(lambda source: source.count))

    @property
    def background(self) -> BackgroundSample:
        """Background sample of all mentions: those with the lowest priorities overall."""
        self._latest = _merged(self._ask(lambda source: source.background))
        return self._latest

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """Return the mentions nearest to the vectors, about n for each."""
        if exact:
            return self._compared_with_all(vectors, n)
        each = _share(n, len(self.sources)) if self.most is None else n
        return self._joined(lambda source: source.nearest(vectors, each))

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """Return the mentions with the given names, in any spelling."""
        wanted = list(names)
        return self._joined(lambda source: source.of_names(wanted))

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """Return all mentions of the given documents; unknown ids are ignored."""
        wanted = by_shard(dict.fromkeys(ids), lambda each: each, len(self.sources))
        numbers = list(wanted) or [0]
        return joined(
            self._answering.ask(
                lambda number: self.sources[number].of_documents(wanted.get(number, [])),
                numbers,
                numbers,
            ),
            self._latest or self.background,
        )

    def sampled_documents(self, n: int) -> list[str]:
        """Return the ids of documents sampled by the hash of their id, n to 2n of them."""
        each = max(1, n // len(self.sources))
        found = self._ask(lambda source: source.sampled_documents(each))
        return [doc_id for some in found for doc_id in some]

    def _joined(self, ask: Callable[[CandidateSource], MentionTable]) -> MentionTable:
        return self._joined_tables(self._ask(ask))

    def _joined_tables(self, tables: Sequence[MentionTable]) -> MentionTable:
        self._latest = _merged([table.background for table in tables])
        return joined(tables, self._latest)

    def _ask(self, ask: Callable[[CandidateSource], T]) -> list[T]:
        return self._answering.ask(ask, self.sources, range(len(self.sources)))


def _share(n: int, shards: int) -> int:
    """How many of the n nearest to request per shard: its share plus three standard deviations."""
    share = n / shards
    return min(n, ceil(share + 3 * sqrt(share)))


def _merged(parts: Sequence[BackgroundSample]) -> BackgroundSample:
    """Merge the background samples of several sources into one."""
    return background_of(
        sum(part.count for part in parts),
        np.concatenate([part.priorities for part in parts]),
        np.concatenate([part.vectors for part in parts]),
    )
