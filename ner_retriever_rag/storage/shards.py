"""Several indexes' storage as one: every document is in the shard that the hash of its id names.

Each shard is an index by itself, with its own journal and revision. What searches sees one store,
and makes one table of all their mentions in the order it would have in a single index; hence the
answers are a single index's.
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
from ner_retriever_rag.storage.answering import Answering
from ner_retriever_rag.storage.protocol import RowReader, Where
from ner_retriever_rag.storage.records import (
    Record,
    RowKey,
    StoredDocument,
    StoredJudgement,
    check_vectors,
)
from ner_retriever_rag.storage.store import Store
from ner_retriever_rag.storage.stored import StoreReader

if TYPE_CHECKING:
    from ner_retriever_rag.storage.place import Place

SHARD_KEY = "ner:shard"  # in a shard's metadata: which it is, and of how many
_THREADS = 16  # shards asked at the same time

T = TypeVar("T")
S = TypeVar("S")


def shard_of(doc_id: str, shards: int) -> int:
    """The number of the shard that a document belongs to, wherever it is asked."""
    return int.from_bytes(sha256(doc_id.encode()).digest()[:8], "big") % shards


def by_shard(items: Iterable[T], doc_id: Callable[[T], str], shards: int) -> dict[int, list[T]]:
    """Items by the number of their document's shard, in order; shards without any are left out."""
    found: dict[int, list[T]] = {}
    for item in items:
        found.setdefault(shard_of(doc_id(item), shards), []).append(item)
    return found


def in_parallel(call: Callable[[S], T], each: Sequence[S]) -> list[T]:
    """Call with each of some things, at the same time."""
    if len(each) < 2:
        return [call(one) for one in each]
    with ThreadPoolExecutor(min(_THREADS, len(each))) as pool:
        return list(pool.map(call, each))


def mark_shards(
    stores: Sequence[Store], writing: Callable[[], AbstractContextManager[None]]
) -> None:
    """See that stores are all shards of one index in their order; empty ones become that.

    Args:
        stores: The stores.
        writing: Gives the turn to write to all of them, should that be needed.

    Raises:
        ValueError: If one is another shard, or an index whose documents nothing has distributed.
    """
    unmarked: list[tuple[Store, str]] = []
    for number, store in enumerate(stores):
        mark = f"{number}/{len(stores)}"
        found = store.texts.metadata().get(SHARD_KEY)
        if found is None and len(stores) > 1 and store.document_count():
            raise ValueError(
                f"shards[{number}] holds documents that were not distributed by their hash: "
                "begin with empty indexes and add its documents to the ShardedIndex"
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
    """Records in several collections, for reading.

    Args:
        parts: Those of each shard.
        doc_id_of: The id of the document that a record is of.
        answering: Asks them; None for one that wants an answer of all.
    """

    def __init__(
        self,
        parts: Sequence[RowReader],
        doc_id_of: Callable[[str], str] = lambda row_id: row_id,
        answering: Answering | None = None,
    ) -> None:
        self._parts, self._doc_id_of = parts, doc_id_of
        self._answering = answering or Answering()
        self.name, self.batch = parts[0].name, min(part.batch for part in parts)
        self.most = min((part.most for part in parts if part.most is not None), default=None)

    def metadata(self) -> dict[str, Any]:
        """Those of the first shard's, which keep what is said of the whole index."""
        return self._parts[0].metadata()

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace those."""
        self._parts[0].set_metadata(metadata)

    def count(self) -> int:
        """How many records there are."""
        return sum(self._ask(lambda part: part.count()))

    def get(self, ids: Sequence[str], include: Sequence[str], *, retry: bool = True) -> Any:
        """As of one collection."""
        wanted = by_shard(ids, self._doc_id_of, len(self._parts))
        found = self._ask_some(
            lambda number: self._parts[number].get(wanted[number], include, retry=retry),
            list(wanted),
        )
        return _joined(found, include)

    def find(self, where: Mapping[str, Any], include: Sequence[str], most: int) -> Any:
        """Records that pass a filter, so many at most from each shard."""
        return _joined(self._ask(lambda part: part.find(where, include, most)), include)

    def ids(self, where: Where = None, most: int | None = None) -> list[str]:
        """The ids of all records that pass a filter, or of ``most`` of them."""
        found = self._ask(lambda part: part.ids(where, most))
        return [each for ids in found for each in ids][:most]

    def vectors(self, ids: Sequence[str], *, retry: bool = True) -> dict[str, NDArray[np.float32]]:
        """The vectors of records, by id; unknown ids are left out."""
        wanted = by_shard(ids, self._doc_id_of, len(self._parts))
        found = self._ask_some(
            lambda number: self._parts[number].vectors(wanted[number], retry=retry), list(wanted)
        )
        return {row_id: each for some in found for row_id, each in some.items()}

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Where = None
    ) -> list[tuple[str, float]]:
        """The ids of the n records nearest to a vector, best first, with their cosines."""
        found = self._ask(lambda part: part.nearest(vector, n, where))
        most = n if self.most is None else min(n, self.most)  # no more are sure to be the nearest
        return sorted((each for some in found for each in some), key=lambda each: -each[1])[:most]

    def _ask(self, call: Callable[[RowReader], T]) -> list[T]:
        return self._answering.ask(call, self._parts, range(len(self._parts)))

    def _ask_some(self, call: Callable[[int], T], numbers: Sequence[int]) -> list[T]:
        return self._answering.ask(call, numbers, numbers)


def _joined(found: Sequence[Any], include: Sequence[str]) -> dict[str, list[Any]]:
    """The columns of several answers as those of one."""
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
        """What changes with every write to any of them."""
        return " ".join(in_parallel(lambda part: part.current() or "-", self._parts))

    def touched_since(self, revision: str) -> set[str] | None:
        """Ids of the documents written or deleted since a revision; None where it is not known."""
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
        stores: The shards'.
        answering: Asks them when they are read; None for one that wants an answer of all.
    """

    def __init__(self, stores: Sequence[Store], answering: Answering | None = None) -> None:
        super().__init__(
            ShardedRows([store.texts for store in stores], answering=answering),
            ShardedRows(
                [store.mentions for store in stores],
                lambda row: RowKey.parse(row).doc_id,
                answering,
            ),
            stores[0].together,
        )
        self._stores = stores
        self.revisions = ShardedRevisions(stores)

    @property
    def alone(self) -> bool:
        """Whether this process is the only one that can write."""
        return all(store.alone for store in self._stores)

    def require_own(self) -> None:
        """See that documents may be written here."""

    @contextmanager
    def still(self) -> Iterator[None]:
        """Have writers in this process wait; of all shards, always in the same order."""
        with ExitStack() as stack:
            for store in self._stores:
                stack.enter_context(store.still())
            yield

    def judgements(self) -> list[StoredJudgement]:
        """What has been judged of answers; the first shard keeps it."""
        return self._stores[0].judgements()

    def judge(
        self, added: Sequence[StoredJudgement], dropped: Sequence[StoredJudgement] = ()
    ) -> None:
        """As of one store."""
        self._stores[0].judge(added, dropped)

    def widths(self) -> tuple[int, int]:
        """Widths of the documents' and the mentions' vectors as stored; 0 where there are none."""
        texts, mentions = zip(*in_parallel(lambda s: s.widths(), self._stores), strict=True)
        return max(texts), max(mentions)

    def vectors(self, records: Iterable[Record], dim: int) -> dict[str, NDArray[np.float32]]:
        """The mentions' vectors of documents; as of one store."""
        wanted = by_shard(records, lambda record: record.doc_id, len(self._stores))
        found = in_parallel(lambda n: self._stores[n].vectors(wanted[n], dim), list(wanted))
        return {doc_id: each for some in found for doc_id, each in some.items()}

    def twins(self, documents: Mapping[str, Document]) -> dict[str, StoredDocument]:
        """Stored documents of the content of others, by version, as far as they are in one shard.

        All shards would have to be asked for the others, for every batch that is written.
        """
        wanted = by_shard(documents.items(), lambda item: item[1].id, len(self._stores))
        found = in_parallel(lambda n: self._stores[n].twins(dict(wanted[n])), list(wanted))
        return {version: twin for some in found for version, twin in some.items()}

    def unfinished(self) -> int:
        """How many writes began and did not end."""
        return sum(in_parallel(lambda store: store.unfinished(), self._stores))

    def leftovers(self) -> set[str]:
        """Ids of rows of mentions that do not count (yet); as of one store."""
        return set().union(*in_parallel(lambda store: store.leftovers(), self._stores))

    def drop_rows(self, row_ids: Sequence[str]) -> None:
        """Delete rows of mentions that belong to no document."""
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
        """Write documents and their mentions, each into its shard; as of one store."""
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
        """Take out the mentions that interrupted writes and deletes left over; as of one store."""
        in_parallel(lambda store: store.recover(unread=unread), self._stores)


class Places:
    """The places of several shards.

    Args:
        places: Where each is, always in the same order: threads that write wait for each other.
        folder: Where the table of all is kept; None for nowhere.
    """

    def __init__(self, places: Sequence[Place | Places], folder: Path | None) -> None:
        self._places, self.folder = places, folder

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out of all of them."""
        with ExitStack() as stack:
            for place in self._places:
                stack.enter_context(place.writing())
            yield

    def close(self) -> None:
        """Let go of all."""
        for place in self._places:
            place.close()
