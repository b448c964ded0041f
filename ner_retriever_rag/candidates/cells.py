"""An inverted file (IVF): finds the mentions near a query in a large index without reading all.

The vectors are clustered and lie close to a low-dimensional subspace. A coarse copy therefore keeps
only their projections onto the first principal axes, grouped into cells by k-means in that space. A
query scans the cells whose centroids are nearest. The mentions it finds are candidates only; their
scores are computed from the full vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGE = 50_000  # mentions; a smaller table needs no cells
DIM_SHARE = 3 / 8  # share of the dimensions that the coarse copy keeps
# Least share of the variance kept; with less, a coarse search would miss too much.
MIN_VARIANCE = 0.6
_SAMPLE = 50_000  # mentions that the axes and centroids are fitted on
_ROUNDS = 4  # k-means iterations
_REBUILD_FACTOR = 2  # cells are rebuilt when the number of mentions grows or shrinks by this factor
_BATCH = 8_192  # mentions assigned to cells at once


class Scan(NamedTuple):
    """Mentions that a query was compared with.

    Attributes:
        mentions: Their rows, ``(n,)``.
        values: float32 ``(n,)``; higher is nearer.
    """

    mentions: NDArray[np.integer]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cells:
    """The mentions of a table, grouped into cells.

    Attributes:
        axes: float32 ``(dim, few)``, the principal axes.
        centres: float32 ``(cells, few)``, the centroids.
        made_of: Number of mentions when the axes and centroids were fitted, ``()``.
        first: int64 ``(cells + 1,)``; cell i has the positions ``first[i]:first[i + 1]``.
        mentions: int32 ``(mentions,)``, their rows, grouped by cell.
        rough: float32 ``(mentions, few)``, their vectors projected onto the axes, in the order of
            ``mentions``.
    """

    axes: NDArray[np.float32]
    centres: NDArray[np.float32]
    made_of: NDArray[np.int64]
    first: NDArray[np.int64]
    mentions: NDArray[np.int32]
    rough: NDArray[np.float32]

    @classmethod
    def make(cls, vectors: NDArray[np.float32]) -> Cells | None:
        """Build cells for mentions; None if the coarse copy would lose too much of their variance.

        Args:
            vectors: float32 ``(mentions, dim)``, more than a few thousand.
        """
        rng = np.random.default_rng(0)
        some = vectors[np.sort(rng.permutation(len(vectors))[:_SAMPLE])]
        variances, axes = np.linalg.eigh(np.cov(some.T))  # ascending
        few = int(DIM_SHARE * vectors.shape[1])
        if variances[-few:].sum() < MIN_VARIANCE * variances.sum():
            return None
        axes = axes[:, -few:].astype(np.float32)
        rough = some @ axes
        centres = rough[rng.permutation(len(rough))[: isqrt(len(vectors))]]
        for _ in range(_ROUNDS):
            cells, sums = _nearest(centres, rough), np.zeros_like(centres)
            np.add.at(sums, cells, rough)
            centres = sums / np.maximum(1, np.bincount(cells, minlength=len(centres)))[:, None]
        cells = _nearest(centres, vectors @ axes)
        return cls._grouped(axes, centres.astype(np.float32), len(vectors), cells, vectors)

    def follow(self, vectors: NDArray[np.float32], origins: NDArray[np.int64]) -> Cells | None:
        """Return cells for another table that shares most of its mentions with this one's table.

        Args:
            vectors: float32 ``(mentions, dim)``.
            origins: int64 ``(mentions,)``, the row each mention had here; -1 for a new one.
        """
        if not self.made_of / _REBUILD_FACTOR < len(vectors) < self.made_of * _REBUILD_FACTOR:
            return Cells.make(vectors)
        before = np.empty(len(self.mentions), dtype=np.int64)
        before[self.mentions] = np.repeat(np.arange(len(self.centres)), np.diff(self.first))
        cells = np.empty(len(vectors), dtype=np.int64)
        new = origins < 0
        cells[~new] = before[origins[~new]]
        cells[new] = _nearest(self.centres, vectors[new] @ self.axes)
        return self._grouped(self.axes, self.centres, int(self.made_of), cells, vectors)

    @classmethod
    def _grouped(
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
        """Whether the shapes are consistent with each other and with the vectors."""
        n, few = self.rough.shape
        return (
            n == len(self.mentions) == len(vectors) == self.first[-1]
            and self.axes.shape == (vectors.shape[1], few)
            and self.centres.shape == (isqrt(int(self.made_of)), few)
            and len(self.first) == len(self.centres) + 1
        )

    def scan(self, query: NDArray[np.float32], least: int) -> Scan:
        """Scan the cells nearest to a query.

        Args:
            query: float32 ``(dim,)``.
            least: Minimum number of mentions to scan, if there are that many.
        """
        query = query @ self.axes
        nearest = np.argsort(-(self.centres @ query))
        sizes = np.diff(self.first)
        cells = nearest[: np.searchsorted(np.cumsum(sizes[nearest]), least) + 1]
        ends = zip(self.first[cells].tolist(), self.first[cells + 1].tolist(), strict=True)
        places = [slice(*each) for each in ends]
        return Scan(
            np.concatenate([self.mentions[each] for each in places]),
            np.concatenate([self.rough[each] @ query for each in places]),
        )


def _nearest(centres: NDArray[np.float32], rough: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the index of each vector's nearest centroid, int64 ``(n,)``."""
    half = (centres * centres).sum(axis=1) / 2
    cells = np.empty(len(rough), dtype=np.int64)
    for start in range(0, len(rough), _BATCH):
        some = slice(start, start + _BATCH)
        cells[some] = (rough[some] @ centres.T - half).argmax(axis=1)
    return cells
