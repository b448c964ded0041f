"""Candidates from Chroma's own nearest-neighbor search; no part of the corpus is held here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import log2

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.joining import merge_tables
from ner_retriever_rag.candidates.mention_table import (
    BACKGROUND,
    MentionTable,
    background_of,
    random_priorities,
)
from ner_retriever_rag.candidates.remote_source import RemoteSource
from ner_retriever_rag.candidates.stored_rows import NAME, table_of_rows
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.schema import BackgroundSample
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.engine_store import EngineStore
from ner_retriever_rag.storage.mention_rows import LEVEL, MentionRows
from ner_retriever_rag.storage.records import RowKey

OF_NAMES = 5_000  # most mentions looked up by name for one query
_NAMES = 200  # names per request
_SAMPLE_REQUEST = BACKGROUND * 5 // 4  # lowest priorities to request, with a margin for chance
_MAX_DRIFT = 1 / 8  # relative change of the count after which the background sample is read again


class EngineSource(RemoteSource):
    """The mentions of an index on a server.

    Args:
        store: The index.
        dim: Width of the vectors.
        shards: Number of shards it is one of; the background sample covers all of them together.
    """

    def __init__(self, store: EngineStore, dim: int, shards: int = 1) -> None:
        super().__init__(store, dim)
        self._store, self._shards = store, shards
        self._sample: BackgroundSample | None = None
        self._read_at = 0  # the count when the sample was read

    @property
    def max_results(self) -> int | None:
        """Most mentions that ``nearest`` returns per vector; None for no limit."""
        return self._store.mentions.max_results

    @property
    def count(self) -> int:
        """Number of mentions, up to a few seconds old; includes the leftovers of a crash."""
        return self._store.mentions.recent_count()

    @property
    def background(self) -> BackgroundSample:
        """Background sample of all mentions: those with the lowest priorities.

        It is read once, and again when the index has grown or shrunk by more than an eighth.
        """
        return self._refresh()

    def _refresh(self) -> BackgroundSample:
        """Update the count, and read the sample again if it is out of date."""
        count = self.count
        if self._sample is None or abs(count - self._read_at) > _MAX_DRIFT * self._read_at:
            self._sample, self._read_at = self._lowest(count), count
        self._sample = replace(self._sample, count=count)
        return self._sample

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """Return the mentions nearest to the vectors, about n for each."""
        self._refresh()  # here, where a search begins, not for every table
        if exact:
            return self._compared_with_all(vectors, n)
        return self._table(self._store.mentions.nearest_to(vectors, n))

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """Return the mentions with the given names, in any spelling; at most 5,000."""
        found = self._table(self._no_rows())
        hashes = np.unique(name_hashes(names)).astype(np.int64).tolist()
        for some in batches(hashes, _NAMES):
            left = OF_NAMES - len(found)
            if left > 0:
                rows = self._store.mentions.matching({NAME: {"$in": some}}, left, self._dim)
                found = merge_tables([found, self._table(rows)])
        return found

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """Return all mentions of the documents' current versions; unknown ids are ignored."""
        records = self._store.records(dict.fromkeys(ids))
        row_ids = [each for record in records.values() for each in record.row_ids(1)]
        rows = self._store.mentions.mentions(row_ids, self._dim)
        return table_of_rows(rows, self._latest(), self._dim)

    def sampled_documents(self, n: int) -> list[str]:
        """Return the ids of documents sampled by the hash of their id, n to 2n of them."""
        level = _level(self._store.document_count(), n)
        return self._store.document_ids({LEVEL: {"$gte": level}} if level else None)

    def _lowest(self, count: int) -> BackgroundSample:
        """Read the background sample of an index with ``count`` mentions."""
        level = _level(count * self._shards, _SAMPLE_REQUEST)
        where = {LEVEL: {"$gte": level}} if level else None
        rows = self._store.mentions.matching(where, 4 * BACKGROUND, self._dim, ["embeddings"])
        keys = [RowKey.parse(each) for each in rows.ids]
        priorities = random_priorities([(key.doc_id, key.spans[0]) for key in keys])
        return background_of(count, priorities, rows.vectors)

    def _table(self, rows: MentionRows) -> MentionTable:
        """Build a table of rows; of documents returned in two versions, only the current counts."""
        keys = [RowKey.parse(each) for each in rows.ids]
        versions: dict[str, set[str]] = {}
        for key in keys:
            versions.setdefault(key.doc_id, set()).add(key.version)
        if several := [doc_id for doc_id, some in versions.items() if len(some) > 1]:
            now = self._store.records(several)
            places = [
                n
                for n, key in enumerate(keys)
                if len(versions[key.doc_id]) == 1
                or (key.doc_id in now and now[key.doc_id].version == key.version)
            ]
            rows, keys = rows.only(places), [keys[n] for n in places]
        return table_of_rows(rows, self._latest(), self._dim, keys)

    def _latest(self) -> BackgroundSample:
        """Return the background sample as of the start of the search."""
        return self._sample or self.background

    def _no_rows(self) -> MentionRows:
        return MentionRows([], [], [], np.zeros((0, self._dim), dtype=np.float32))


def _level(count: int, wanted: int) -> int:
    """Return the level that about ``wanted`` or more of ``count`` items have; 0 for all items."""
    return max(0, int(log2(count / wanted))) if count > wanted else 0
