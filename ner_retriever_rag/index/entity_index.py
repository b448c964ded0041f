"""EntityIndex: add documents, retrieve those that mention a type of entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ner_retriever_rag._keywords import suggest_keywords
from ner_retriever_rag.candidates.engine import EngineSource
from ner_retriever_rag.candidates.stored_rows import describe
from ner_retriever_rag.candidates.table_source import TableSource
from ner_retriever_rag.candidates.tables import TABLE, Tables
from ner_retriever_rag.index.decision_methods import DecisionMethods
from ner_retriever_rag.index.foreign_methods import ForeignMethodHints
from ner_retriever_rag.index.interop import is_document
from ner_retriever_rag.index.judgement_methods import JudgementMethods
from ner_retriever_rag.index.read_methods import ReadMethods, check_ids
from ner_retriever_rag.index.search_methods import SearchMethods
from ner_retriever_rag.index.sync import sync
from ner_retriever_rag.index.writing import (
    BATCH,
    GivenSpans,
    Prepared,
    Writer,
    check_documents,
    in_batches,
)
from ner_retriever_rag.queries.bounds import check_int
from ner_retriever_rag.schema import AddReport, Document, Failure, SyncReport, type_name
from ner_retriever_rag.search.engine_search import EngineSearch
from ner_retriever_rag.search.search import Search
from ner_retriever_rag.storage import chroma
from ner_retriever_rag.storage.beside import BesideStore
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.engine_store import EngineStore, open_store
from ner_retriever_rag.storage.place import Place
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.shards import Places

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from ner_retriever_rag.candidates.protocol import CandidateSource
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

DEFAULT_COLLECTION = "ner-retriever"


class EntityIndex(
    SearchMethods, ReadMethods, DecisionMethods, JudgementMethods, ForeignMethodHints
):
    """An index of documents by the entities they mention, stored in Chroma.

    Any number of processes may have a folder open as long as none of them writes. The first write
    locks the folder for this process until the index is closed: by ``close``, at the end of a
    ``with`` block, or at process exit. To write from several processes, run ``ner-retriever
    serve``.

    Args:
        path: Folder of the index, created if needed, or the address of a Chroma server
            (``"http://localhost:8000"``); None keeps the index in memory.
        client: A Chroma client (``chromadb.HttpClient(...)``), instead of a path.
        collection: Name of the index within the folder or server.
        encoder: Encodes texts and type descriptions; None for the shipped encoder.
        max_batch: Maximum number of records per write, get or query, for servers with such a limit
            (300 in Chroma's hosted service); None for Chroma's own limit only.

    Raises:
        TypeError: If ``client`` is not a Chroma client, or is an asynchronous one.
        ValueError: If both ``path`` and ``client`` are given, the folder or collection holds
            something else, or the index was made with another encoder.
        RuntimeError: If another process is writing to the folder, or its files are damaged.
        OSError: If the folder cannot be created or written, or no server answers.
    """

    _place: Place | Places
    _source: CandidateSource

    @suggest_keywords
    def __init__(
        self,
        path: str | Path | None = None,
        *,
        client: ClientAPI | None = None,
        collection: str | None = None,
        encoder: TypeAwareEncoder | None = None,
        max_batch: int | None = None,
    ) -> None:
        if path is not None and client is not None:
            raise ValueError("give path or client, not both")
        if max_batch is not None:
            max_batch = check_int("max_batch", max_batch, 1, " or None")
        encoder = encoder or _default_encoder()
        in_memory = path is None and client is None
        name = collection or (None if in_memory else DEFAULT_COLLECTION)
        self._address, self._collection, self._max_batch = path, collection, max_batch
        place = self._place = Place(path, client, max_batch=max_batch)
        self._attach(open_store(place, name, encoder, describe), encoder)

    def _attach(self, store: DocumentStore, encoder: TypeAwareEncoder) -> None:
        self.encoder, self._store, self._folder = encoder, store, self._place.folder
        self._writer = Writer(store, encoder)
        if isinstance(store, EngineStore):
            self._source = EngineSource(store, encoder.dim)
            self._search = EngineSearch(store, self._source, encoder)
            return
        kept = self._folder / f"{TABLE}{store.texts.name}" if self._folder else None
        cells = encoder.similarity == "cosine"
        self._tables = Tables(store, encoder.dim, kept, cells=cells)
        self._source = TableSource(self._tables.current, store.document_ids)
        self._search = Search(store, self._tables, encoder)

    def close(self) -> None:
        """Release the folder so that other processes may write. Closing twice is a no-op."""
        self._place.close()

    def __enter__(self) -> EntityIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        collection: str = DEFAULT_COLLECTION,
        encoder: TypeAwareEncoder | None = None,
        max_batch: int | None = None,
    ) -> EntityIndex:
        """Open an existing index; the constructor would create a missing one.

        Args:
            path: As in the constructor.
            collection: As in the constructor.
            encoder: As in the constructor.
            max_batch: As in the constructor.

        Raises:
            FileNotFoundError: If there is no such index.
        """
        chroma.require_index(path, collection)
        return cls(path, collection=collection, encoder=encoder, max_batch=max_batch)

    @classmethod
    def beside(
        cls,
        collection: Collection | Any,
        *,
        encoder: TypeAwareEncoder | None = None,
        max_batch: int | None = None,
    ) -> EntityIndex:
        """Open, or create, an index over the documents of an existing Chroma collection.

        The collection keeps its documents and is never written to; the index adds two collections
        beside it, ``<name>-ner`` and ``<name>-ner-mentions``, which hold no text. ``sync`` picks up
        documents that were added, changed or deleted; until then, a document that has changed is
        left out of all results that name documents. ``add`` and ``delete`` raise.

        Args:
            collection: The collection, ``client.get_collection(name)``, or an object that holds
                one: a ``langchain_chroma.Chroma``, LlamaIndex's ``ChromaVectorStore`` or the
                ``VectorStoreIndex`` over it. Its documents must be stored in Chroma as well.
            encoder: As in the constructor.
            max_batch: As in the constructor.

        Raises:
            TypeError: If it is not a Chroma collection, or is an asynchronous one.
            ValueError: If it belongs to an index, or the index beside it was made with another
                encoder.
            RuntimeError: If another process is writing to the folder, or its files are damaged.
        """
        index, encoder = cls.__new__(cls), encoder or _default_encoder()
        index._address = index._collection = index._max_batch = None
        collection = chroma.collection_of(collection)
        client = chroma.client_of(collection)
        place = index._place = Place(None, client, closing=True, max_batch=max_batch)
        index._attach(BesideStore.open_over(place, collection, encoder), encoder)
        return index

    def sync(self, *, progress: bool = False) -> SyncReport:
        """Update the index from the collection that it is beside.

        Reads all texts of the collection, encodes those that are new or have changed, and drops
        the documents that are gone. An interrupted sync is resumed by the next call.

        Args:
            progress: Show a progress bar.

        Returns:
            What was done; ``failed`` lists the documents without a text.

        Raises:
            RuntimeError: If the index stores its own documents, or another process has the folder
                open.
        """
        store = self._store
        if not isinstance(store, BesideStore):
            raise RuntimeError("only an index opened with EntityIndex.beside can be synced")
        with self._place.writing():
            store.recover()  # even if nothing is left to write
            return sync(store, self.encoder, progress=progress)

    @suggest_keywords
    def add(
        self,
        documents: Iterable[Document | str | Any],
        *,
        spans: GivenSpans | None = None,
        errors: str = "raise",
        progress: bool = False,
    ) -> AddReport:
        """Index documents; an existing id is replaced, or skipped if the document is unchanged.

        Documents are written in batches of at most 128. An interrupted ``add`` keeps the batches
        it has written, and repeating the call resumes from there. A change of only the metadata or
        the id does not re-encode the text.

        Args:
            documents: Documents, or texts (whose id is derived from the text). LangChain documents
                and LlamaIndex nodes are accepted as they are, and the adapters return them as
                such.
            spans: The mention spans of each document, instead of detecting them; ``documents`` is
                then read into a list.
            errors: ``"skip"`` leaves out documents that cannot be indexed; the report's ``failed``
                says which and why. ``"raise"`` raises on the first.
            progress: Show a progress bar.

        Raises:
            TypeError: If an item is neither a ``Document`` nor a string, or a span is not two
                integers. As with a ValueError, nothing is written if ``documents`` is a list.
            ValueError: If a text is empty, an id occurs twice, a span lies outside its text, or
                metadata cannot be stored. If ``documents`` is a list, nothing is written then; if
                it is a stream, the batches up to a few hundred documents earlier are.
            RuntimeError: If another process has the folder open, or the index is beside a
                collection. An error of the encoder is re-raised with the document's id.
        """
        self._store.require_own()
        single = isinstance(documents, str | Mapping) or is_document(documents)
        if single or not isinstance(documents, Iterable):
            kind = type_name(documents)
            raise TypeError(f"documents must be a list or another iterable, not a single {kind}")
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors must be 'raise' or 'skip', not {errors!r}")
        if spans is not None:
            documents, spans = list(documents), list(spans)
            if len(spans) != len(documents):
                raise ValueError(f"spans is for {len(spans)} documents, there are {len(documents)}")
        failed: list[Failure] = []
        on_error = failed.append if errors == "skip" else None
        good: Iterable[Prepared] = check_documents(documents, spans, on_error)
        if isinstance(documents, Sequence):
            good = list(good)  # check the whole list before writing any of it
        report = AddReport()
        total = length_hint(documents) or None
        bar = tqdm(total=total, unit="document", disable=not progress, smoothing=0.05)
        with self._place.writing(), bar:
            self._store.recover()  # even if nothing is left to write
            for done in self._writer.add(self._in_batches(good), on_error):
                report += done
                bar.update(done.added + done.replaced + done.unchanged)
            bar.update(len(failed))
        return report + AddReport(failed=tuple(failed))

    def _in_batches(self, documents: Iterable[Prepared]) -> Iterator[list[Prepared]]:
        """Group documents into batches that are encoded and written together."""
        return in_batches(documents, lambda each: each[0].text)

    @suggest_keywords
    def delete(
        self, ids: str | Iterable[str] | None = None, *, where: Mapping[str, Any] | None = None
    ) -> int:
        """Delete documents by id or by metadata; unknown ids are skipped.

        Args:
            ids: Their ids.
            where: Chroma filter on the documents' metadata, instead of ids.

        Returns:
            The number of documents deleted.

        Raises:
            ValueError: If neither or both are given, or Chroma rejects ``where``.
            RuntimeError: As ``add``.
        """
        self._store.require_own()
        if (ids is None) == (not where):
            raise ValueError("delete needs ids or where, and only one of them")
        with self._place.writing():
            self._store.recover()
            doomed = self._store.document_ids(where) if ids is None else check_ids(ids)
            records = list(self._store.fetch(dict.fromkeys(doomed)).values())
            for some in batches(records, BATCH):
                self._store.delete(some)
        return len(records)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the folder or address to reopen, with the shipped encoder."""
        if self._address is None:
            raise TypeError(
                "an EntityIndex is pickled by its path, and this one has none: it is in memory or "
                "uses a client; open it in the process that needs it"
            )
        if self.encoder.fingerprint != _default_encoder().fingerprint:
            raise TypeError(
                f"an EntityIndex is pickled with the shipped encoder, not with {self.encoder}: "
                "open it with that encoder in the process that needs it"
            )
        path = self._folder.absolute() if self._folder else self._address
        return _reopened, (path, self._collection, self._max_batch)


def _default_encoder() -> TypeAwareEncoder:
    from ner_retriever_rag.encoder.encoder import default_encoder

    return default_encoder()


def _reopened(path: str | Path, collection: str | None, max_batch: int | None) -> EntityIndex:
    return EntityIndex(path, collection=collection, max_batch=max_batch)
