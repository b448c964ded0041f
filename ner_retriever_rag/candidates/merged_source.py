"""Candidates from several sources, queried in parallel and merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.joining import merge_tables
from ner_retriever_rag.candidates.mention_table import MentionTable, background_of
from ner_retriever_rag.candidates.protocol import CandidateSource
from ner_retriever_rag.candidates.remote_source import RemoteSource
from ner_retriever_rag.schema import BackgroundSample
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.shard_pool import ShardPool
from ner_retriever_rag.storage.shards import by_shard

T = TypeVar("T")


class MergedSource(RemoteSource):
    """The mentions of several shards.

    Args:
        sources: One source per shard; the hash of a document's id determines its shard.
        store: The documents of all shards.
        dim: Width of the vectors.
        shard_pool: Queries the shards in parallel.

    Attributes:
        sources: One source per shard.
    """

    def __init__(
        self,
        sources: Sequence[CandidateSource],
        store: DocumentStore,
        dim: int,
        shard_pool: ShardPool,
    ) -> None:
        super().__init__(store, dim)
        self.sources, self._shard_pool = sources, shard_pool
        self._latest: BackgroundSample | None = None

    @property
    def max_results(self) -> int | None:
        """Most mentions that ``nearest`` returns per vector; None for no limit."""
        bounds = [each.max_results for each in self.sources if each.max_results is not None]
        return min(bounds, default=None)

    @property
    def count(self) -> int:
        """Number of mentions."""
        return sum(self._ask(lambda source: source.count))

    @property
    def background(self) -> BackgroundSample:
        """Background sample of all mentions: those with the lowest priorities overall."""
        self._latest = _merge_samples(self._ask(lambda source: source.background))
        return self._latest

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """Return the mentions nearest to the vectors, about n for each."""
        if exact:
            return self._compared_with_all(vectors, n)
        each = _share(n, len(self.sources)) if self.max_results is None else n
        return self._merge_answers(lambda source: source.nearest(vectors, each))

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """Return the mentions with the given names, in any spelling."""
        wanted = list(names)
        return self._merge_answers(lambda source: source.of_names(wanted))

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """Return all mentions of the given documents; unknown ids are ignored."""
        wanted = by_shard(dict.fromkeys(ids), lambda each: each, len(self.sources))
        numbers = list(wanted) or [0]
        return merge_tables(
            self._shard_pool.ask(
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

    def _merge_answers(self, ask: Callable[[CandidateSource], MentionTable]) -> MentionTable:
        return self._merge_tables(self._ask(ask))

    def _merge_tables(self, tables: Sequence[MentionTable]) -> MentionTable:
        self._latest = _merge_samples([table.background for table in tables])
        return merge_tables(tables, self._latest)

    def _ask(self, ask: Callable[[CandidateSource], T]) -> list[T]:
        return self._shard_pool.ask(ask, self.sources, range(len(self.sources)))


def _share(n: int, shards: int) -> int:
    """How many of the n nearest to request per shard: its share plus three standard deviations."""
    share = n / shards
    return min(n, ceil(share + 3 * sqrt(share)))


def _merge_samples(parts: Sequence[BackgroundSample]) -> BackgroundSample:
    """Merge the background samples of several sources into one."""
    return background_of(
        sum(part.count for part in parts),
        np.concatenate([part.priorities for part in parts]),
        np.concatenate([part.vectors for part in parts]),
    )
