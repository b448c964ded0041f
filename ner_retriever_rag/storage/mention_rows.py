"""Mentions as rows of a collection that Chroma searches: one a row, with its words and place."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.storage.collection import Rows, batches
from ner_retriever_rag.storage.filters import filter_of
from ner_retriever_rag.storage.protocol import Where

DOC_ID, START, END = "doc", "start", "end"  # for any client of the server to read
LEVEL = "ner:level"
_FRESH = 5.0  # seconds
_INCLUDE = ("embeddings", "metadatas", "documents")


class MentionRows(NamedTuple):
    """Mentions as they are stored.

    Attributes:
        ids: Of their rows, see :class:`~ner_retriever_rag.storage.records.RowKey`.
        words: Of each.
        metadata: Of each: document, place, and what ranking needs.
        vectors: float32 ``(n, dim)``.
    """

    ids: list[str]
    words: list[str]
    metadata: list[Mapping[str, Any]]
    vectors: NDArray[np.float32]

    def only(self, places: Sequence[int]) -> MentionRows:
        """Some of them."""
        return MentionRows(
            [self.ids[n] for n in places],
            [self.words[n] for n in places],
            [self.metadata[n] for n in places],
            self.vectors[list(places)],
        )


class SearchedRows(Rows):
    """The collection of mentions of an index that Chroma searches."""

    _counted: tuple[float, int] | None = None  # when, and how many

    def recent_count(self) -> int:
        """How many there are, or were five seconds ago; what was written here is seen at once.

        Chroma counts a million in 80 ms, as long as it searches them.
        """
        now = time.monotonic()
        if self._counted is None or now - self._counted[0] > _FRESH:
            self._counted = now, self.count()
        return self._counted[1]

    def upsert(self, **columns: Any) -> None:
        """Write mentions, ``batch`` at a time."""
        try:
            super().upsert(**columns)
        finally:
            self._counted = None

    def delete(self, ids: Iterable[str]) -> None:
        """Delete mentions by their rows' ids."""
        try:
            super().delete(ids)
        finally:
            self._counted = None

    def nearest_to(self, vectors: NDArray[np.float32], n: int) -> MentionRows:
        """For each vector the n mentions nearest to it, or ``most`` of them; each mention once.

        Args:
            vectors: float32 ``(m, dim)``.
            n: How many.

        Raises:
            ValueError: If a vector holds NaN or infinity.
        """
        if not np.isfinite(vectors).all():
            raise ValueError("the encoder's vector for the query holds NaN or infinity")
        wanted: Any = list(_INCLUDE)
        found: Any = self._read(
            lambda: self._collection.query(
                query_embeddings=vectors,
                n_results=max(1, n if self.most is None else min(n, self.most)),
                include=wanted,
            )
        )
        of_each = [
            _mention_rows({key: found[key][row] for key in ("ids", *_INCLUDE)}, vectors.shape[1])
            for row in range(len(found["ids"]))
        ]
        return together(of_each, vectors.shape[1])

    def mentions(self, row_ids: Sequence[str], dim: int) -> MentionRows:
        """Mentions by their rows' ids; unknown ids are left out."""
        found = [
            _mention_rows(self.get(some, _INCLUDE), dim) for some in batches(row_ids, self.batch)
        ]
        return together(found, dim)

    def matching(
        self, where: Where, most: int, dim: int, include: Sequence[str] = _INCLUDE
    ) -> MentionRows:
        """Mentions that pass a filter, ``most`` of them at most; without what is not included."""
        wanted: Any = list(include)
        filters: Any = filter_of(where)
        found: list[MentionRows] = []
        for offset in count(0, self.batch):
            limit = min(self.batch, most - offset)
            if limit <= 0:
                break
            page = self._read(
                partial(
                    self._collection.get,
                    where=filters,
                    include=wanted,
                    limit=limit,
                    offset=offset,
                ),
                where,
            )
            found.append(_mention_rows(page, dim))
            if len(page["ids"]) < limit:
                break
        return together(found, dim)


def hash_share(text: str) -> float:
    """A number in (0, 1] that goes by a text's hash."""
    return (int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) + 1) / 2**32


def level_of(number: float, deepest: int = 24) -> int:
    """How often a number in (0, 1] can be doubled: one in 2**n has level n or more."""
    level = 0
    while level < deepest and number <= 0.5:
        number, level = number * 2, level + 1
    return level


def together(parts: Sequence[MentionRows], dim: int) -> MentionRows:
    """Several groups of mentions as one, each mention once."""
    ids = [each for part in parts for each in part.ids]
    first = {each: n for n, each in reversed(list(enumerate(ids)))}
    all_of_them = MentionRows(
        ids,
        [each for part in parts for each in part.words],
        [each for part in parts for each in part.metadata],
        np.concatenate([np.zeros((0, dim), np.float32), *(part.vectors for part in parts)]),
    )
    return all_of_them if len(first) == len(ids) else all_of_them.only(sorted(first.values()))


def _mention_rows(page: Mapping[str, Any], dim: int) -> MentionRows:
    vectors = np.asarray(page["embeddings"], dtype=np.float32).reshape(-1, dim)
    ids = list(page["ids"])
    words = page["documents"] or [""] * len(ids)
    metadata = page["metadatas"] or [{}] * len(ids)
    return MentionRows(ids, list(words), list(metadata), vectors)
