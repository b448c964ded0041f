"""Cache of encoded type descriptions: the same few are needed again and again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray


class TypeVectors:
    """Thread-safe LRU cache of the vectors of type descriptions.

    Args:
        size: Maximum number of vectors.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, descriptions: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Vectors, float32 ``(dim,)``, of those descriptions that are cached."""
        with self._lock:
            found = [each for each in dict.fromkeys(descriptions) if each in self._kept]
            for each in found:
                self._kept.move_to_end(each)
            return {each: self._kept[each] for each in found}

    def keep(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Cache vectors, float32 ``(dim,)``; the least recently used are evicted."""
        with self._lock:
            for each, vector in vectors.items():
                self._kept[each] = vector
                self._kept.move_to_end(each)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
