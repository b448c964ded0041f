"""Storage of several indexes as one: the hash of a document's id determines its shard.

Each shard is an index by itself, with its own journal and revision. A search sees one store. Unless
Chroma searches the shards itself (``EngineStore``), the search uses one table of all their
mentions, in the order of a single index, so the results are those of a single index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import Document, EncodedText
from ner_retriever_rag.storage.protocol import RowReader, Where
from ner_retriever_rag.storage.records import (
    Record,
    RowKey,
    StoredDocument,
    StoredJudgement,
    check_vectors,
)
from ner_retriever_rag.storage.shard_pool import ShardPool
from ner_retriever_rag.storage.store import Store
from ner_retriever_rag.storage.stored import StoreReader

if TYPE_CHECKING:
    from ner_retriever_rag.storage.place import Place

SHARD_KEY = "ner:shard"  # in a shard's metadata: its number, and the number of shards
_THREADS = 16  # shards queried in parallel

T = TypeVar("T")
S = TypeVar("S")


def shard_of(doc_id: str, shards: int) -> int:
    """Return the number of the shard that a document belongs to, the same on every machine."""
    return int.from_bytes(sha256(doc_id.encode()).digest()[:8], "big") % shards


def by_shard(items: Iterable[T], doc_id: Callable[[T], str], shards: int) -> dict[int, list[T]]:
    """Group items by their document's shard number, in order; shards without items are left out."""
    found: dict[int, list[T]] = {}
    for item in items:
        found.setdefault(shard_of(doc_id(item), shards), []).append(item)
    return found


def in_parallel(call: Callable[[S], T], each: Sequence[S]) -> list[T]:
    """Call a function with each item, in parallel."""
    if len(each) < 2:
        return [call(one) for one in each]
    with ThreadPoolExecutor(min(_THREADS, len(each))) as pool:
        return list(pool.map(call, each))


def mark_shards(
    stores: Sequence[Store], writing: Callable[[], AbstractContextManager[None]]
) -> None:
    """Check that stores are all shards of one index, in order; mark empty ones as such.

    Args:
        stores: The stores.
        writing: Takes the write turn of all of them, if that is needed.

    Raises:
        ValueError: If one belongs at another position or to another index, or holds documents that
            were not distributed by their hash.
    """
    unmarked: list[tuple[Store, str]] = []
    for number, store in enumerate(stores):
        mark = f"{number}/{len(stores)}"
        found = store.texts.metadata().get(SHARD_KEY)
        if found is None and len(stores) > 1 and store.document_count():
            raise ValueError(
                f"shards[{number}] holds documents that were not distributed by their hash: "
                "start with empty indexes and add its documents to the ShardedIndex"
            )
        if found not in (None, mark):
            raise ValueError(
                f"shards[{number}] of {len(stores)} is shard {found} of another arrangement: give "
                "all shards of an index, in the order they were first given"
            )
        if found is None:
            unmarked.append((store, mark))
    if unmarked:
        with writing():
            for store, mark in unmarked:
                store.texts.set_metadata({**store.texts.metadata(), SHARD_KEY: mark})


class ShardedRows:
    """Read access to records in several collections.

    Args:
        parts: The records of each shard.
        doc_id_of: Returns the document id of a record by the record's id.
        shard_pool: Queries the shards; None to require an answer from all of them.
    """

    def __init__(
        self,
        parts: Sequence[RowReader],
        doc_id_of: Callable[[str], str] = lambda row_id: row_id,
        shard_pool: ShardPool | None = None,
    ) -> None:
        self._parts, self._doc_id_of = parts, doc_id_of
        self._shard_pool = shard_pool or ShardPool()
        self.name, self.batch = parts[0].name, min(part.batch for part in parts)
        self.max_results = min(
            (part.max_results for part in parts if part.max_results is not None), default=None
        )

    def metadata(self) -> dict[str, Any]:
        """Return the first shard's metadata, which holds what applies to the whole index."""
        return self._parts[0].metadata()

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the first shard's metadata."""
        self._parts[0].set_metadata(metadata)

    def count(self) -> int:
        """Return the number of records."""
        return sum(self._ask(lambda part: part.count()))

    def get(self, ids: Sequence[str], include: Sequence[str], *, retry: bool = True) -> Any:
        """Get records by id, as from one collection."""
        wanted = by_shard(ids, self._doc_id_of, len(self._parts))
        found = self._ask_some(
            lambda number: self._parts[number].get(wanted[number], include, retry=retry),
            list(wanted),
        )
        return _concatenate(found, include)

    def find(self, where: Mapping[str, Any], include: Sequence[str], most: int) -> Any:
        """Get records that pass a filter, at most ``most`` from each shard."""
        return _concatenate(self._ask(lambda part: part.find(where, include, most)), include)

    def ids(self, where: Where = None, most: int | None = None) -> list[str]:
        """Return the ids of all records that pass a filter, or of ``most`` of them."""
        found = self._ask(lambda part: part.ids(where, most))
        return [each for ids in found for each in ids][:most]

    def vectors(self, ids: Sequence[str], *, retry: bool = True) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of records, by id; unknown ids are ignored."""
        wanted = by_shard(ids, self._doc_id_of, len(self._parts))
        found = self._ask_some(
            lambda number: self._parts[number].vectors(wanted[number], retry=retry), list(wanted)
        )
        return {row_id: each for some in found for row_id, each in some.items()}

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Where = None
    ) -> list[tuple[str, float]]:
        """Return the ids of the n records nearest to a vector, best first, with their cosines."""
        found = self._ask(lambda part: part.nearest(vector, n, where))
        # Further down the list, a shard may have nearer records than those it returned.
        most = n if self.max_results is None else min(n, self.max_results)
        return sorted((each for some in found for each in some), key=lambda each: -each[1])[:most]

    def _ask(self, call: Callable[[RowReader], T]) -> list[T]:
        return self._shard_pool.ask(call, self._parts, range(len(self._parts)))

    def _ask_some(self, call: Callable[[int], T], numbers: Sequence[int]) -> list[T]:
        return self._shard_pool.ask(call, numbers, numbers)


def _concatenate(found: Sequence[Any], include: Sequence[str]) -> dict[str, list[Any]]:
    """Concatenate the columns of several answers."""
    columns = {
        name: [each for rows in found if rows[name] is not None for each in rows[name]]
        for name in include
    }
    return {"ids": [each for rows in found for each in rows["ids"]], **columns}


class ShardedRevisions:
    """The revisions of several stores as one.

    Args:
        stores: The shards' stores.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._parts = [store.revisions for store in stores]

    def current(self) -> str:
        """Return the revision, which changes with every write to any of them."""
        return " ".join(in_parallel(lambda part: part.current() or "-", self._parts))

    def touched_since(self, revision: str) -> set[str] | None:
        """Return the ids of documents written or deleted since a revision; None if unknown."""
        before = ["" if each == "-" else each for each in revision.split(" ")]
        if len(before) != len(self._parts):
            return None
        touched: set[str] = set()
        for part, each in zip(self._parts, before, strict=True):
            if (of_part := part.touched_since(each)) is None:
                return None
            touched |= of_part
        return touched


class ShardedStore(StoreReader):
    """The documents and mentions of several stores.

    Args:
        stores: The shards' stores.
        shard_pool: Queries the shards when reading; None to require an answer from all of them.
    """

    def __init__(self, stores: Sequence[Store], shard_pool: ShardPool | None = None) -> None:
        super().__init__(
            ShardedRows([store.texts for store in stores], shard_pool=shard_pool),
            ShardedRows(
                [store.mentions for store in stores],
                lambda row: RowKey.parse(row).doc_id,
                shard_pool,
            ),
            stores[0].per_row,
        )
        self._stores = stores
        self.revisions = ShardedRevisions(stores)

    @property
    def alone(self) -> bool:
        """Whether this process is the only one that can write."""
        return all(store.alone for store in self._stores)

    def require_own(self) -> None:
        """Check that documents may be written here."""

    @contextmanager
    def writes_paused(self) -> Iterator[None]:
        """Make this process's writers wait in all shards, which are locked in a fixed order."""
        with ExitStack() as stack:
            for store in self._stores:
                stack.enter_context(store.writes_paused())
            yield

    def judgements(self) -> list[StoredJudgement]:
        """Return all relevance judgments, which the first shard stores."""
        return self._stores[0].judgements()

    def judge(
        self, added: Sequence[StoredJudgement], dropped: Sequence[StoredJudgement] = ()
    ) -> None:
        """Add judgments and drop others; as in one store."""
        self._stores[0].judge(added, dropped)

    def widths(self) -> tuple[int, int]:
        """Return the stored widths of the text and mention vectors; 0 where there are none."""
        texts, mentions = zip(*in_parallel(lambda s: s.widths(), self._stores), strict=True)
        return max(texts), max(mentions)

    def vectors(self, records: Iterable[Record], dim: int) -> dict[str, NDArray[np.float32]]:
        """Return the mention vectors of documents; as from one store."""
        wanted = by_shard(records, lambda record: record.doc_id, len(self._stores))
        found = in_parallel(lambda n: self._stores[n].vectors(wanted[n], dim), list(wanted))
        return {doc_id: each for some in found for doc_id, each in some.items()}

    def twins(self, documents: Mapping[str, Document]) -> dict[str, StoredDocument]:
        """Return stored documents with the content of the given ones, by version, under any id.

        Only a document's own shard is searched: searching the others would mean querying all shards
        for every batch that is written.
        """
        wanted = by_shard(documents.items(), lambda item: item[1].id, len(self._stores))
        found = in_parallel(lambda n: self._stores[n].twins(dict(wanted[n])), list(wanted))
        return {version: twin for some in found for version, twin in some.items()}

    def unfinished(self) -> int:
        """Return the number of unfinished writes."""
        return sum(in_parallel(lambda store: store.unfinished(), self._stores))

    def leftovers(self) -> set[str]:
        """Return the ids of mention rows that do not count (yet); as from one store."""
        return set().union(*in_parallel(lambda store: store.leftovers(), self._stores))

    def drop_rows(self, row_ids: Sequence[str]) -> None:
        """Delete mention rows that belong to no document."""
        wanted = by_shard(row_ids, lambda row: RowKey.parse(row).doc_id, len(self._stores))
        in_parallel(lambda number: self._stores[number].drop_rows(wanted[number]), list(wanted))

    def renew(self) -> None:
        """Tell readers that anything may have changed."""
        in_parallel(lambda store: store.renew(), self._stores)

    def write(
        self,
        documents: Sequence[Document],
        versions: Sequence[str],
        encoded: Sequence[EncodedText],
        replaced: Mapping[str, Record],
    ) -> None:
        """Write documents and their mentions, each to its shard; as in one store."""
        for document, one in zip(documents, encoded, strict=True):
            check_vectors(document, one)
        rows = zip(documents, versions, encoded, strict=True)
        wanted = by_shard(rows, lambda row: row[0].id, len(self._stores))

        def write(number: int) -> None:
            some, of_some, read = (list(each) for each in zip(*wanted[number], strict=True))
            self._stores[number].write(some, of_some, read, replaced)

        in_parallel(write, list(wanted))

    def delete(self, records: Sequence[Record]) -> None:
        """Delete documents and their mentions."""
        wanted = by_shard(records, lambda record: record.doc_id, len(self._stores))
        in_parallel(lambda number: self._stores[number].delete(wanted[number]), list(wanted))

    def recover(self, *, unread: bool = False) -> None:
        """Delete the mentions that interrupted writes and deletes left behind; as in one store."""
        in_parallel(lambda store: store.recover(unread=unread), self._stores)


class Places:
    """The places of several shards.

    Args:
        places: The place of each shard, always in the same order, as writing threads wait for each
            other.
        folder: Where the table of all shards is saved; None to not save it.
    """

    def __init__(self, places: Sequence[Place | Places], folder: Path | None) -> None:
        self._places, self.folder = places, folder

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Exclude other writers from all places."""
        with ExitStack() as stack:
            for place in self._places:
                stack.enter_context(place.writing())
            yield

    def close(self) -> None:
        """Close all places."""
        for place in self._places:
            place.close()
