"""Mentions as rows of a collection that Chroma searches: one per row, with its words and span."""

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
_COUNT_TTL = 5.0  # seconds
_INCLUDE = ("embeddings", "metadatas", "documents")


class MentionRows(NamedTuple):
    """Mentions as they are stored.

    Attributes:
        ids: Row ids, see :class:`~ner_retriever_rag.storage.records.RowKey`.
        words: The words of each mention.
        metadata: The metadata of each: document, span, and the features that ranking needs.
        vectors: float32 ``(n, dim)``.
    """

    ids: list[str]
    words: list[str]
    metadata: list[Mapping[str, Any]]
    vectors: NDArray[np.float32]

    def only(self, places: Sequence[int]) -> MentionRows:
        """Return the mentions at the given positions."""
        return MentionRows(
            [self.ids[n] for n in places],
            [self.words[n] for n in places],
            [self.metadata[n] for n in places],
            self.vectors[list(places)],
        )


class SearchedRows(Rows):
    """The collection of mentions of an index that Chroma searches."""

    _counted: tuple[float, int] | None = None  # time of the count, and the count

    def recent_count(self) -> int:
        """Return the count, at most five seconds old; writes made here are seen at once.

        Chroma takes 80 ms to count a million mentions, as long as to search them.
        """
        now = time.monotonic()
        if self._counted is None or now - self._counted[0] > _COUNT_TTL:
            self._counted = now, self.count()
        return self._counted[1]

    def upsert(self, **columns: Any) -> None:
        """Write mentions, ``batch`` at a time."""
        try:
            super().upsert(**columns)
        finally:
            self._counted = None

    def delete(self, ids: Iterable[str]) -> None:
        """Delete mentions by row id."""
        try:
            super().delete(ids)
        finally:
            self._counted = None

    def nearest_to(self, vectors: NDArray[np.float32], n: int) -> MentionRows:
        """Return the n mentions nearest to each vector, at most ``max_results`` each, deduplicated.

        Args:
            vectors: float32 ``(m, dim)``.
            n: Number of mentions per vector.

        Raises:
            ValueError: If a vector contains NaN or infinity.
        """
        if not np.isfinite(vectors).all():
            raise ValueError("the encoder's vector for the query holds NaN or infinity")
        wanted: Any = list(_INCLUDE)
        found: Any = self._read(
            lambda: self._collection.query(
                query_embeddings=vectors,
                n_results=max(1, n if self.max_results is None else min(n, self.max_results)),
                include=wanted,
            )
        )
        of_each = [
            _mention_rows({key: found[key][row] for key in ("ids", *_INCLUDE)}, vectors.shape[1])
            for row in range(len(found["ids"]))
        ]
        return concatenate(of_each, vectors.shape[1])

    def mentions(self, row_ids: Sequence[str], dim: int) -> MentionRows:
        """Return mentions by row id; unknown ids are ignored."""
        found = [
            _mention_rows(self.get(some, _INCLUDE), dim) for some in batches(row_ids, self.batch)
        ]
        return concatenate(found, dim)

    def matching(
        self, where: Where, most: int, dim: int, include: Sequence[str] = _INCLUDE
    ) -> MentionRows:
        """Return at most ``most`` mentions that pass a filter; fields not included are empty."""
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
        return concatenate(found, dim)


def hash_share(text: str) -> float:
    """Map a text to a number in (0, 1] by its hash."""
    return (int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) + 1) / 2**32


def level_of(number: float, deepest: int = 24) -> int:
    """How often a number in (0, 1] can be doubled within it: one in 2**n has level n or more."""
    level = 0
    while level < deepest and number <= 0.5:
        number, level = number * 2, level + 1
    return level


def concatenate(parts: Sequence[MentionRows], dim: int) -> MentionRows:
    """Concatenate groups of mentions, deduplicated."""
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
