"""ShardedIndex: one index over several shards, each with a part of the documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ner_retriever_rag.candidates.engine import EngineSource
from ner_retriever_rag.candidates.merged_source import MergedSource
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION, EntityIndex
from ner_retriever_rag.index.writing import Prepared, Writer, in_batches_by_shard
from ner_retriever_rag.search.engine_search import EngineSearch
from ner_retriever_rag.storage.beside import BesideStore
from ner_retriever_rag.storage.engine_store import EngineStore
from ner_retriever_rag.storage.shard_pool import ShardPool
from ner_retriever_rag.storage.shards import Places, ShardedStore, mark_shards, shard_of
from ner_retriever_rag.storage.size import Storage, measure_storage
from ner_retriever_rag.storage.store import Store

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.protocol import DocumentStore


class ShardedIndex(EntityIndex):
    """Several indexes, on one or more machines, that are written and searched as one.

    Documents are assigned to shards by the hash of their id. Results are those of a single index
    of the same documents. Shards are queried in parallel. Shards on servers search locally, and
    their results are merged; for folders, this process holds the table of all mentions.

    The number and order of shards are fixed: an index records which shard it is, and of how many.

    Args:
        shards: The shards: indexes, folders, or addresses of Chroma servers.
        collection: Name of each index within its folder or server, for shards given by location.
        encoder: As for ``EntityIndex``, for shards given by location.
        max_batch: As for ``EntityIndex``, for shards given by location.
        folder: Where to cache the table of all mentions of folders, so that the next process need
            not read it from the shards; None for no cache. Has no effect if a shard is on a
            server.
        partial: Whether to return results without the documents of unreachable servers, with a
            warning that names them; they are retried after a minute. Opening the index and
            writing need all shards.

    Raises:
        TypeError: If ``shards`` is a single shard.
        ValueError: If there are no shards, they have different encoders, are not all shards of one
            index in its order, or hold documents that were not distributed by their hash; or as
            ``EntityIndex``.
        RuntimeError: As ``EntityIndex``.
        OSError: As ``EntityIndex``.

    Attributes:
        shards: The shards, each an index of its own.
    """

    def __init__(
        self,
        shards: Sequence[EntityIndex | str | Path],
        *,
        collection: str | None = None,
        encoder: TypeAwareEncoder | None = None,
        max_batch: int | None = None,
        folder: str | Path | None = None,
        partial: bool = False,
    ) -> None:
        if isinstance(shards, str | Path | EntityIndex):
            raise TypeError("shards must be a list of indexes, folders or addresses, not one")
        if not shards:
            raise ValueError("shards is empty: give at least one index, folder or address")
        self.shards: list[EntityIndex] = []
        try:
            for each in shards:
                self.shards.append(
                    each
                    if isinstance(each, EntityIndex)
                    else EntityIndex(
                        each, collection=collection, encoder=encoder, max_batch=max_batch
                    )
                )
            kept = None if folder is None else Path(folder).absolute()
            self._place = Places([shard._place for shard in self.shards], kept)
            self._partial, self._shard_pool = partial, ShardPool(partial=partial)
            self._attach(self._joined_store(), self.shards[0].encoder)
        except BaseException:
            for opened, given in zip(self.shards, shards, strict=False):
                if opened is not given:
                    opened.close()
            raise

    def _joined_store(self) -> ShardedStore:
        stores: list[Store] = []
        for number, shard in enumerate(self.shards):
            store = shard._store
            if not isinstance(store, Store) or isinstance(store, BesideStore):
                raise ValueError(f"shards[{number}] must store its documents itself")
            if shard.encoder.fingerprint != self.shards[0].encoder.fingerprint:
                raise ValueError(
                    f"shards[{number}] uses the encoder {shard.encoder.description}, shards[0] of "
                    f"{self.shards[0].encoder.description}: open all with one encoder"
                )
            stores.append(store)
        if len({id(store) for store in stores}) < len(stores):
            raise ValueError("shards lists the same index twice")
        mark_shards(stores, self._place.writing)
        return ShardedStore(stores, self._shard_pool)

    def _attach(self, store: DocumentStore, encoder: TypeAwareEncoder) -> None:
        if not any(isinstance(shard._store, EngineStore) for shard in self.shards):
            super()._attach(store, encoder)
            return
        self.encoder, self._store, self._folder = encoder, store, self._place.folder
        self._writer = Writer(store, encoder)
        sources = [
            EngineSource(its, encoder.dim, len(self.shards))
            if isinstance(its := shard._store, EngineStore)
            else shard._source
            for shard in self.shards
        ]
        self._source = MergedSource(sources, store, encoder.dim, self._shard_pool)
        self._search = EngineSearch(store, self._source, encoder)

    def _in_batches(self, documents: Iterable[Prepared]) -> Iterator[list[Prepared]]:
        return in_batches_by_shard(documents, lambda each: shard_of(each, len(self.shards)))

    @classmethod
    def open(  # type: ignore[override]  # several places
        cls,
        shards: Sequence[str | Path],
        *,
        collection: str = DEFAULT_COLLECTION,
        encoder: TypeAwareEncoder | None = None,
        max_batch: int | None = None,
        folder: str | Path | None = None,
        partial: bool = False,
    ) -> ShardedIndex:
        """Open existing shards; the constructor would create missing ones.

        Args:
            shards: Folders or addresses of Chroma servers.
            collection: As in the constructor.
            encoder: As in the constructor.
            max_batch: As in the constructor.
            folder: As in the constructor.
            partial: As in the constructor.

        Raises:
            FileNotFoundError: If a shard is missing.
        """
        opened: list[EntityIndex] = []
        options: Any = {"collection": collection, "encoder": encoder, "max_batch": max_batch}
        try:
            for each in shards:
                opened.append(EntityIndex.open(each, **options))
            return cls(opened, folder=folder, partial=partial)
        except BaseException:
            for index in opened:
                index.close()
            raise

    @classmethod
    def beside(cls, *_: Any, **__: Any) -> NoReturn:
        """Not supported: an index beside a collection lives where the collection does.

        Raises:
            TypeError: Always.
        """
        raise TypeError("an index beside a collection has no shards: use EntityIndex.beside")

    def storage(self) -> Storage:
        """Measure the storage of all shards, compared with a sentence index of the documents."""
        on_disk = [shard.storage().disk_bytes for shard in self.shards]
        whole = measure_storage(self._store)
        return replace(whole, disk_bytes=None if None in on_disk else sum(filter(None, on_disk)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the folders or addresses to reopen, as for each shard."""
        return _reopened, (self.shards, self._folder, self._partial)


def _reopened(shards: list[EntityIndex], folder: Path | None, partial: bool) -> ShardedIndex:
    return ShardedIndex(shards, folder=folder, partial=partial)
