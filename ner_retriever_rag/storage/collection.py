"""One of an index's collections: reads that tolerate concurrent writes, and clear errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.storage.filters import filter_of, is_about_size, where_error
from ner_retriever_rag.storage.protocol import Where
from ner_retriever_rag.storage.retry import call_with_retry

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.storage.place import Place

_MAX_IDS = 5_000  # Chroma passes at most 32,766 ids to SQLite at once; this is well below
_WAITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)  # seconds between read attempts
T = TypeVar("T")


class Rows:
    """A Chroma collection of an index.

    Every method raises RuntimeError if the index is closed or was opened before a fork, or if the
    data on disk cannot be read, and ConnectionError if the server stays unavailable.

    Args:
        place: Where it is.
        collection: The collection.

    Attributes:
        name: Its name.
        batch: Number of records requested, or written, per call.
        max_results: Most results of a nearest-neighbor search; None for no limit.
    """

    def __init__(self, place: Place, collection: Collection) -> None:
        self._place, self._collection = place, collection
        self.name = collection.name
        limits = (place.client.get_max_batch_size(), _MAX_IDS, place.max_batch)
        self.batch = min(limit for limit in limits if limit is not None and limit > 0)
        self.max_results = place.max_batch

    def metadata(self) -> dict[str, Any]:
        """Return the collection's current metadata."""
        client = self._place.client
        found = self._call(lambda: client.get_collection(self.name, embedding_function=None))
        return dict(found.metadata or {})

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the collection's metadata."""
        self._call(lambda: self._collection.modify(metadata=dict(metadata)))

    def count(self) -> int:
        """Return the number of records."""
        return self._read(self._collection.count)

    def get(self, ids: Sequence[str], include: Sequence[str], *, retry: bool = True) -> Any:
        """Get records by id, at most ``batch``; unknown ids are ignored.

        Args:
            ids: Their ids.
            include: The fields to get, as Chroma names them.
            retry: Whether to retry, as a failure may be due to a concurrent write.
        """
        wanted: Any = list(include)
        return self._read(lambda: self._collection.get(ids=list(ids), include=wanted), retry=retry)

    def first(self, include: Sequence[str]) -> Any:
        """Get any one record."""
        wanted: Any = list(include)
        return self._read(lambda: self._collection.get(limit=1, include=wanted))

    def ids(self, where: Where = None, most: int | None = None) -> list[str]:
        """Return the ids of all records that pass a filter, or of ``most`` of them.

        They are read in one call, as pages shift while others delete; in pages only where the
        number of results is limited.

        Raises:
            ValueError: If Chroma rejects ``where``.
        """
        filters: Any = filter_of(where)
        found: dict[str, None] = {}
        for offset in count(0, self.batch):
            limits: Any = (
                {} if self.max_results is None else {"limit": self.batch, "offset": offset}
            )
            if most is not None:
                left = most - offset
                limits |= {"limit": left if self.max_results is None else min(self.batch, left)}
            read = partial(self._collection.get, where=filters, include=[], **limits)
            page = self._read(read, where)["ids"]
            found.update(dict.fromkeys(page))
            if self.max_results is None or len(page) < self.batch or len(found) == most:
                break
        return list(found)

    def find(self, where: Mapping[str, Any], include: Sequence[str], most: int) -> Any:
        """Get records that pass a filter.

        Args:
            where: The filter.
            include: The fields to get, as Chroma names them.
            most: Most records to get; never more than ``batch``.
        """
        wanted: Any = list(include)
        filters: Any = filter_of(where)
        limit = min(most, self.batch)
        return self._read(
            lambda: self._collection.get(where=filters, include=wanted, limit=limit), where
        )

    def vectors(self, ids: Sequence[str], *, retry: bool = True) -> dict[str, NDArray[np.float32]]:
        """Return records' vectors by id; unknown ids are ignored. ``retry`` as in ``get``."""
        found: dict[str, NDArray[np.float32]] = {}
        for some in batches(ids, self.batch):
            rows = self.get(some, ["embeddings"], retry=retry)
            found.update(
                zip(rows["ids"], np.asarray(rows["embeddings"], dtype=np.float32), strict=True)
            )
        return found

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Where = None
    ) -> list[tuple[str, float]]:
        """Return the ids of the n records nearest to a vector, best first, with their cosines.

        At most ``max_results`` are returned.

        Raises:
            ValueError: If Chroma rejects ``where``, or the vector contains NaN or infinity.
        """
        if not np.isfinite(vector).all():
            raise ValueError("the encoder's vector for the query holds NaN or infinity")
        filters: Any = filter_of(where)
        rows = self._read(
            lambda: self._collection.query(
                query_embeddings=vector[None],
                n_results=max(1, n if self.max_results is None else min(n, self.max_results)),
                where=filters,
                include=["distances"],
            ),
            where,
        )
        distances = (rows["distances"] or [[]])[0]
        return [
            (each, 1.0 - distance) for each, distance in zip(rows["ids"][0], distances, strict=True)
        ]

    def check_ids(self, ids: Iterable[str]) -> None:
        """Check that records may be written under the given ids; here any id is allowed.

        Raises:
            ValueError: If an id is not allowed.
        """

    def upsert(self, **columns: Any) -> None:
        """Write records, ``batch`` at a time."""
        for start in range(0, len(columns["ids"]), self.batch):
            some = {name: rows[start : start + self.batch] for name, rows in columns.items()}
            self._call(lambda some=some: self._collection.upsert(**some))  # type: ignore[misc]

    def delete(self, ids: Iterable[str]) -> None:
        """Delete records by id."""
        for some in batches(ids, self.batch):
            self._call(lambda some=some: self._collection.delete(ids=some))  # type: ignore[misc]

    def _call(self, call: Callable[[], T]) -> T:
        self._place.check()
        return call_with_retry(call, self._place.client)

    def _read(self, call: Callable[[], T], where: Where = None, *, retry: bool = True) -> T:
        """Read, retrying if a record was deleted between Chroma's reads of two tables."""
        from chromadb.errors import InternalError

        for wait in (*_WAITS, None) if retry else (None,):
            try:
                return self._call(call)
            except InternalError as error:
                if where and is_about_size(error):
                    raise where_error(where, error) from error
                if wait is None:
                    raise RuntimeError(
                        f"the index cannot be read ({error}); {self._place.diagnose()}"
                    ) from error
                time.sleep(wait)
            except RecursionError:
                raise ValueError("where is nested too deep") from None
            except (ConnectionError, RuntimeError, FileNotFoundError):
                raise  # caused by the place, whatever the filter
            except Exception as error:
                raise where_error(where, error) from error
        raise AssertionError  # the last attempt returns or raises


class SettledRows(Rows):
    """Records to which Chroma applies its log when they are first read.

    Chroma does this at the first access to a collection, and then also loads the collection's whole
    graph into memory. So one process at a time may do it, and no earlier than necessary.
    """

    def __init__(self, place: Place, collection: Collection) -> None:
        super().__init__(place, collection)
        self._first, self._settled = threading.Lock(), False

    def _read(self, call: Callable[[], T], where: Where = None, *, retry: bool = True) -> T:
        with self._first:
            if not self._settled:
                with self._place.gate():
                    super()._read(self._collection.count)
                self._settled = True
        return super()._read(call, where, retry=retry)


def batches(
    items: Iterable[T], size: int, weight: Callable[[T], float] = lambda _: 0, most: float = inf
) -> Iterator[list[T]]:
    """Yield items in batches of ``size``, or fewer once their weights add up to ``most``."""
    batch: list[T] = []
    load = 0.0
    for item in items:
        batch.append(item)
        load += weight(item)
        if len(batch) == size or load >= most:
            yield batch
            batch, load = [], 0.0
    if batch:
        yield batch
