"""An inverted file: near mentions of a large index are found without reading all.

Vectors lie near a space of few dimensions, and near to others. So a coarse copy has only the
numbers along their first principal axes, and lies in cells of mentions that are near to each other
(k-means in that space). A query reads the cells whose centres it is nearest to. What it finds are
candidates; their scores are computed from their whole vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGE = 50_000  # mentions; a smaller table needs no cells
PART = 3 / 8  # of the vectors' numbers are in the rough copy
KEPT = 0.6  # of the variance, at least, or a rough look would miss too much
_SAMPLE = 50_000  # mentions that axes and centres are made of
_ROUNDS = 4  # of k-means
_OUTGROWN = 2  # cells are rebuilt where there are so many times as many mentions
_TOGETHER = 8_192  # mentions put into cells at once


class Look(NamedTuple):
    """Mentions that were looked at.

    Attributes:
        mentions: Their numbers, ``(n,)``.
        values: float32 ``(n,)``; a greater one is nearer.
    """

    mentions: NDArray[np.integer]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cells:
    """The mentions of a table in cells.

    Attributes:
        axes: float32 ``(dim, few)``.
        centres: float32 ``(cells, few)``.
        made_of: How many mentions there were when axes and centres were made, ``()``.
        first: int64 ``(cells + 1,)``; cell i has the places ``first[i]:first[i + 1]``.
        mentions: int32 ``(mentions,)``, their numbers, those of one cell side by side.
        rough: float32 ``(mentions, few)``, their vectors along the axes, in the same order.
    """

    axes: NDArray[np.float32]
    centres: NDArray[np.float32]
    made_of: NDArray[np.int64]
    first: NDArray[np.int64]
    mentions: NDArray[np.int32]
    rough: NDArray[np.float32]

    @classmethod
    def make(cls, vectors: NDArray[np.float32]) -> Cells | None:
        """Make cells for mentions; None where their vectors have too many dimensions for it.

        Args:
            vectors: float32 ``(mentions, dim)``, more than a few thousand.
        """
        rng = np.random.default_rng(0)
        some = vectors[np.sort(rng.permutation(len(vectors))[:_SAMPLE])]
        variances, axes = np.linalg.eigh(np.cov(some.T))  # rising
        few = int(PART * vectors.shape[1])
        if variances[-few:].sum() < KEPT * variances.sum():
            return None
        axes = axes[:, -few:].astype(np.float32)
        rough = some @ axes
        centres = rough[rng.permutation(len(rough))[: isqrt(len(vectors))]]
        for _ in range(_ROUNDS):
            cells, sums = _nearest(centres, rough), np.zeros_like(centres)
            np.add.at(sums, cells, rough)
            centres = sums / np.maximum(1, np.bincount(cells, minlength=len(centres)))[:, None]
        cells = _nearest(centres, vectors @ axes)
        return cls._in_order(axes, centres.astype(np.float32), len(vectors), cells, vectors)

    def follow(self, vectors: NDArray[np.float32], origins: NDArray[np.int64]) -> Cells | None:
        """The cells of another table, of whose mentions most are in this one's.

        Args:
            vectors: float32 ``(mentions, dim)``.
            origins: int64 ``(mentions,)``, the number each had here; -1 for a new one.
        """
        if not self.made_of / _OUTGROWN < len(vectors) < self.made_of * _OUTGROWN:
            return Cells.make(vectors)
        before = np.empty(len(self.mentions), dtype=np.int64)
        before[self.mentions] = np.repeat(np.arange(len(self.centres)), np.diff(self.first))
        cells = np.empty(len(vectors), dtype=np.int64)
        new = origins < 0
        cells[~new] = before[origins[~new]]
        cells[new] = _nearest(self.centres, vectors[new] @ self.axes)
        return self._in_order(self.axes, self.centres, int(self.made_of), cells, vectors)

    @classmethod
    def _in_order(
        cls,
        axes: NDArray[np.float32],
        centres: NDArray[np.float32],
        made_of: int,
        cells: NDArray[np.int64],
        vectors: NDArray[np.float32],
    ) -> Cells:
        mentions = np.argsort(cells, kind="stable").astype(np.int32)
        first = np.searchsorted(cells[mentions], np.arange(len(centres) + 1))
        return cls(axes, centres, np.array(made_of), first, mentions, (vectors @ axes)[mentions])

    def fit(self, vectors: NDArray[np.float32]) -> bool:
        """Whether these may be the cells of mentions with some vectors."""
        n, few = self.rough.shape
        return (
            n == len(self.mentions) == len(vectors) == self.first[-1]
            and self.axes.shape == (vectors.shape[1], few)
            and self.centres.shape == (isqrt(int(self.made_of)), few)
            and len(self.first) == len(self.centres) + 1
        )

    def look(self, query: NDArray[np.float32], least: int) -> Look:
        """Look at the cells that are nearest to a query.

        Args:
            query: float32 ``(dim,)``.
            least: How many mentions to look at, at least if there are so many.
        """
        query = query @ self.axes
        nearest = np.argsort(-(self.centres @ query))
        sizes = np.diff(self.first)
        cells = nearest[: np.searchsorted(np.cumsum(sizes[nearest]), least) + 1]
        ends = zip(self.first[cells].tolist(), self.first[cells + 1].tolist(), strict=True)
        places = [slice(*each) for each in ends]
        return Look(
            np.concatenate([self.mentions[each] for each in places]),
            np.concatenate([self.rough[each] @ query for each in places]),
        )


def _nearest(centres: NDArray[np.float32], rough: NDArray[np.float32]) -> NDArray[np.int64]:
    """The number of the nearest centre of each, int64 ``(n,)``."""
    half = (centres * centres).sum(axis=1) / 2
    cells = np.empty(len(rough), dtype=np.int64)
    for start in range(0, len(rough), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        cells[some] = (rough[some] @ centres.T - half).argmax(axis=1)
    return cells
