"""Top-k selection and sorting of scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def largest(values: NDArray[np.floating], n: int) -> NDArray[np.intp]:
    """The indices of the n largest values, largest first."""
    n = min(n, len(values))
    some = np.argpartition(-values, n - 1)[:n] if n < len(values) else np.arange(n)
    ordered: NDArray[np.intp] = some[np.argsort(-values[some])]
    return ordered


def best_first(
    scores: NDArray[np.float32],
    nearness: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    floor: float,
    limit: int | None = None,
) -> NDArray[np.intp]:
    """The indices of allowed scores of at least ``floor``, best first; ties by nearness, index.

    With ``limit``, stops after about that many.
    """
    places = np.flatnonzero(allowed & (scores >= floor))
    if limit is not None and limit < len(places):
        reached = np.partition(scores[places], -limit)[-limit]
        places = places[scores[places] >= reached]
    order = np.lexsort((places, -nearness[places], -scores[places]))
    chosen: NDArray[np.intp] = places[order]
    return chosen
