"""Exact search over more mentions than fit one machine: a Ray actor for each shard.

Servers search approximately, with their graph indexes. Operations that must scan every mention
(``exact=True``, ``facets``, ``extract``) go to actors on a Ray cluster instead: each holds the
table of one shard, memory-mapped on its machine, and returns its best candidates. An actor that
dies is restarted, and reads its table again.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import merge
from itertools import chain
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag._imports import require
from ner_retriever_rag.candidates.mention_table import MentionTable, read_table
from ner_retriever_rag.candidates.merged_source import MergedSource
from ner_retriever_rag.candidates.remote_source import nearest_of
from ner_retriever_rag.candidates.table_files import load_table, save_table
from ner_retriever_rag.candidates.table_source import TableSource
from ner_retriever_rag.candidates.tables import FixedTable
from ner_retriever_rag.index.bulk import Encoder, build_encoder, check_addresses
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.index.sharded_index import ShardedIndex
from ner_retriever_rag.queries.bounds import Bounds
from ner_retriever_rag.queries.query import AnyOf, Leaf
from ner_retriever_rag.schema import MentionMatch
from ner_retriever_rag.search.engine_search import MIN_CANDIDATES, EngineSearch
from ner_retriever_rag.search.facets import Facet
from ner_retriever_rag.search.search import Search

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.kinds import Kinds
    from ner_retriever_rag.queries.taxonomy import Taxonomy
    from ner_retriever_rag.storage.protocol import DocumentStore

_KINDS_PER_FACET = 4  # kinds that each shard returns, per kind wanted


class RayIndex(ShardedIndex):
    """Shards on Chroma servers, with actors on a Ray cluster for exhaustive scans.

    Setup:
        .. code-block:: text

            pip install 'ner-retriever-rag[ray]'

    Search:
        .. code-block:: python

            index = RayIndex(["http://one:8000", "http://two:8000"])
            index.search("dinosaur", k=20, exact=True)

    Results are those of :class:`ShardedIndex`. ``facets`` counts all documents instead of a sample;
    each shard counts the kinds that are frequent in it. The first exact search waits until the
    actors have read their shards; later ones read only what has changed.

    Args:
        shards: Addresses of the servers, in shard order.
        collection: As for ``ShardedIndex``.
        encoder: Folder or Hub id of a saved encoder, or a function that creates one in each actor;
            None for the shipped one.
        max_batch: As for ``ShardedIndex``.
        partial: As for ``ShardedIndex``; an exact search needs all shards.
        cpus: Cores per actor.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If a shard is not an address, or as ``ShardedIndex``.
        ConnectionError: If a server does not answer.
    """

    def __init__(
        self,
        shards: Sequence[str],
        *,
        collection: str | None = None,
        encoder: Encoder = None,
        max_batch: int | None = None,
        partial: bool = False,
        cpus: float = 1,
    ) -> None:
        check_addresses(shards)
        self._ray = ray = require("ray", extra="ray")
        options = {"collection": collection, "max_batch": max_batch}
        super().__init__(list(shards), encoder=build_encoder(encoder), partial=partial, **options)  # type: ignore[arg-type]
        if not ray.is_initialized():
            ray.init()
        actor = ray.remote(num_cpus=cpus, max_restarts=-1, max_task_retries=-1)(_ShardActor)
        self._actors = [actor.remote(each, encoder, options) for each in shards]
        assert isinstance(self._source, MergedSource)  # only addresses are accepted
        source = _ActorSources(
            self._source.sources, self._store, self.encoder.dim, self._shard_pool
        )
        source.actors = self._actors
        self._source, self._search = source, _RaySearch(self._store, source, self.encoder)

    def close(self) -> None:
        """Disconnect from the servers and stop the actors. Closing twice is a no-op."""
        for each in self._actors:
            self._ray.kill(each)
        self._actors = []
        super().close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Not supported: the actors belong to this process.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a RayIndex is not pickled: open it in the process that needs it")


class _ActorSources(MergedSource):
    """The mentions of several shards; exact searches get them from the shards' actors.

    Attributes:
        actors: The actors.
    """

    actors: Sequence[Any]

    def call_all(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of every actor in parallel, and return the results."""
        ray = require("ray", extra="ray")
        answers: list[Any] = ray.get(
            [getattr(each, method).remote(*arguments) for each in self.actors]
        )
        return answers

    def nearest(self, vectors: NDArray[np.float32], n: int, *, exact: bool = False) -> MentionTable:
        """The mentions nearest to each of some vectors."""
        if not exact:
            return super().nearest(vectors, n)
        return self._merge_tables(self.call_all("nearest", vectors, n))


class _RaySearch(EngineSearch):
    """A search that computes facets and extracts mentions in the shards' actors."""

    _source: _ActorSources

    def facets(self, where: Mapping[str, Any] | None, kinds: Kinds, **options: Any) -> list[Facet]:
        """Count the kinds of entity, each actor in its shard."""
        self._validate_where(where)
        counted = self._source.call_all(
            "facets", where, {**options, "n": _KINDS_PER_FACET * options["n"]}
        )
        return _summed(counted, options["n"], options["examples"])

    def extract(
        self, types: Sequence[Leaf], bounds: Bounds, **options: bool
    ) -> Iterator[MentionMatch]:
        """Extract every mention of some types, each actor in its shard; documents sorted by id."""
        self._validate_where(bounds.where)
        ray = require("ray", extra="ray")
        vectors = self._with_examples(AnyOf(*types)).vectors
        candidates = ray.put(self._source.nearest(vectors, MIN_CANDIDATES, exact=True))
        streams = [
            each.extract.options(num_returns="streaming").remote(types, bounds, options, candidates)
            for each in self._source.actors
        ]
        rows = [chain.from_iterable(map(ray.get, stream)) for stream in streams]
        return merge(*rows, key=lambda row: row.doc_id)


class _ShardActor:
    """Holds the table of one shard, as an actor on a Ray cluster.

    Args:
        address: Address of the shard's server.
        encoder: As for :class:`RayIndex`.
        options: Options of ``EntityIndex``.
    """

    def __init__(self, address: str, encoder: Encoder, options: Mapping[str, Any]) -> None:
        self._index = EntityIndex(address, encoder=build_encoder(encoder), **options)
        self._folder = tempfile.TemporaryDirectory()
        self._table: MentionTable | None = None

    def nearest(self, vectors: NDArray[np.float32], n: int) -> MentionTable:
        """The n mentions nearest to each of some vectors, by exhaustive comparison."""
        return nearest_of(self._current(), vectors, n)

    def facets(self, where: Mapping[str, Any] | None, options: dict[str, Any]) -> list[Facet]:
        """Count the kinds of entity in this shard."""
        taxonomy: Taxonomy | None = options["taxonomy"]
        encoder = self._index.encoder
        kinds = encoder.kinds if taxonomy is None else taxonomy.kinds(encoder)
        return self._search().facets(where, kinds, **options)

    def extract(
        self,
        types: Sequence[Leaf],
        bounds: Bounds,
        options: Mapping[str, bool],
        candidates: MentionTable,
    ) -> Iterator[list[MentionMatch]]:
        """Extract the mentions of some types page by page, scored among all shards' candidates."""
        search = self._index._search
        assert isinstance(search, EngineSearch)
        for page in TableSource(self._current, self._index._store.document_ids).pages(bounds.where):
            yield list(search.extract_pages([page], candidates, types, bounds, **options))

    def _search(self) -> Search:
        store = self._index._store
        table = FixedTable(self._current(), store.revisions.current())
        search = Search(store, table, self._index.encoder)
        search.judged = self._index._search.judged
        return search

    def _current(self) -> MentionTable:
        """The table of the server's current contents; only changes are read again."""
        store, before = self._index._store, self._table
        touched = None if before is None else _differing(store, before)
        if before is None or touched:
            table = read_table(store, self._index.encoder.dim, before, touched)
            folder = Path(self._folder.name) / "table"
            save_table(table, "", folder)
            kept = load_table(folder)
            self._table = table if kept is None else kept[1]
        assert self._table is not None
        return self._table


def _differing(store: DocumentStore, table: MentionTable) -> set[str]:
    """The ids of documents that differ from a table, including new and deleted ones."""
    now = store.records(store.document_ids())
    known = dict(zip(table.doc_ids, table.versions, strict=True))
    changed = {each for each, record in now.items() if known.get(each) != record.version}
    return changed | (known.keys() - now.keys())


def _summed(counted: Sequence[Sequence[Facet]], n: int, examples: int) -> list[Facet]:
    """Add up the shards' facets by kind; return the n most frequent."""
    of_kind: defaultdict[str, list[Facet]] = defaultdict(list)
    for each in chain.from_iterable(counted):
        of_kind[each.type].append(each)
    summed = [
        replace(
            some[0],
            mentions=sum(each.mentions for each in some),
            documents=sum(each.documents for each in some),
            examples=list(dict.fromkeys(chain.from_iterable(e.examples for e in some)))[:examples],
            error=hypot(*(each.error for each in some)),
        )
        for some in of_kind.values()
    ]
    return sorted(summed, key=lambda facet: -facet.mentions)[:n]
