"""Candidates from Chroma's own nearest-neighbour search: of the corpus nothing is held here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import log2

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.elsewhere import Elsewhere
from ner_retriever_rag.candidates.joining import joined
from ner_retriever_rag.candidates.mention_table import (
    BACKGROUND,
    MentionTable,
    background_of,
    random_priorities,
)
from ner_retriever_rag.candidates.stored_rows import NAME, table_of_rows
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.schema import BackgroundSample
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.engine_store import EngineStore
from ner_retriever_rag.storage.mention_rows import LEVEL, MentionRows
from ner_retriever_rag.storage.records import RowKey

OF_NAMES = 5_000  # mentions of names looked up for one question, at most
_NAMES = 200  # asked for at once
_ENOUGH = BACKGROUND * 5 // 4  # of the lowest priorities, with a margin for chance
_MOVED = 1 / 8  # by such a share the count may change until the background sample is read again


class EngineSource(Elsewhere):
    """The mentions of an index on a server.

    Args:
        store: The index.
        dim: Width of the vectors.
        shards: Of how many shards it is one; the background sample is of all together.
    """

    def __init__(self, store: EngineStore, dim: int, shards: int = 1) -> None:
        super().__init__(store, dim)
        self._store, self._shards = store, shards
        self._sample: BackgroundSample | None = None
        self._read_at = 0  # how many mentions there were when the sample was read

    @property
    def most(self) -> int | None:
        """How many mentions ``nearest`` gives for a vector at most; None for no bound."""
        return self._store.mentions.most

    @property
    def count(self) -> int:
        """How many mentions there are, or were a moment ago; a crash's leftovers among them."""
        return self._store.mentions.recent_count()

    @property
    def background(self) -> BackgroundSample:
        """All mentions there are, by those with the lowest priorities.

        They are read once, and again when the index has grown or shrunk by an eighth.
        """
        return self._look_again()

    def _look_again(self) -> BackgroundSample:
        """See how many mentions there are, and read the sample if it is too old."""
        count = self.count
        if self._sample is None or abs(count - self._read_at) > _MOVED * self._read_at:
            self._sample, self._read_at = self._lowest(count), count
        self._sample = replace(self._sample, count=count)
        return self._sample

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """The mentions nearest to some vectors, about n for each."""
        self._look_again()  # here, where a search begins, and not with every table
        if exact:
            return self._compared_with_all(vectors, n)
        return self._table(self._store.mentions.nearest_to(vectors, n))

    def of_names(self, names: Iterable[str]) -> MentionTable:
        """The mentions of some names, however these are spelled; 5,000 at most."""
        found = self._table(self._no_rows())
        hashes = np.unique(name_hashes(names)).astype(np.int64).tolist()
        for some in batches(hashes, _NAMES):
            left = OF_NAMES - len(found)
            if left > 0:
                rows = self._store.mentions.matching({NAME: {"$in": some}}, left, self._dim)
                found = joined([found, self._table(rows)])
        return found

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """All mentions of documents by id, as the documents are now; unknown ids are left out."""
        records = self._store.records(dict.fromkeys(ids))
        row_ids = [each for record in records.values() for each in record.row_ids(1)]
        rows = self._store.mentions.mentions(row_ids, self._dim)
        return table_of_rows(rows, self._latest(), self._dim)

    def sampled_documents(self, n: int) -> list[str]:
        """The ids of documents chosen by their ids' hashes, n or up to twice as many."""
        level = _level(self._store.document_count(), n)
        return self._store.document_ids({LEVEL: {"$gte": level}} if level else None)

    def _lowest(self, count: int) -> BackgroundSample:
        """The background sample of so many mentions."""
        level = _level(count * self._shards, _ENOUGH)
        where = {LEVEL: {"$gte": level}} if level else None
        rows = self._store.mentions.matching(where, 4 * BACKGROUND, self._dim, ["embeddings"])
        keys = [RowKey.parse(each) for each in rows.ids]
        priorities = random_priorities([(key.doc_id, key.spans[0]) for key in keys])
        return background_of(count, priorities, rows.vectors)

    def _table(self, rows: MentionRows) -> MentionTable:
        """The table of mentions; of a document of which two versions came, those that count."""
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
        """The background sample as it was when a search began."""
        return self._sample or self.background

    def _no_rows(self) -> MentionRows:
        return MentionRows([], [], [], np.zeros((0, self._dim), dtype=np.float32))


def _level(count: int, wanted: int) -> int:
    """The level that at least so many of all have; 0 for all."""
    return max(0, int(log2(count / wanted))) if count > wanted else 0
