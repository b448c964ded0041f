"""EntityIndex: documents in, documents that mention a type of entity out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ner_retriever_rag.encoder.kinds import Kinds
from ner_retriever_rag.index import chroma
from ner_retriever_rag.index.bounds import Bounds, share, whole_number
from ner_retriever_rag.index.extraction import check_types, extract
from ner_retriever_rag.index.facets import Facet, count_facets
from ner_retriever_rag.index.metadata import check_metadata
from ner_retriever_rag.index.place import Place
from ner_retriever_rag.index.search import Search
from ner_retriever_rag.index.storage import Storage, measure_storage
from ner_retriever_rag.index.store import Store, version_of
from ner_retriever_rag.index.tables import Tables
from ner_retriever_rag.queries.query import AnyOf, Like, Query
from ner_retriever_rag.schema import (
    AddReport,
    Document,
    DocumentMatch,
    MentionMatch,
    require_text,
)

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

DEFAULT_COLLECTION = "ner-retriever"
_BATCH = 256  # documents encoded and written together

Given = Sequence[Sequence[tuple[int, int]]]


class EntityIndex:
    """An index of documents by the entities they mention, stored in Chroma.

    Any number of processes may have a folder open that nobody writes. The first write takes it for
    this process alone, until the index is closed: by ``close``, at the end of a ``with`` block, or
    with the process. Several processes that write go through ``ner-retriever serve``.

    Args:
        path: Folder of the index, made if needed, or the address of a Chroma server
            (``"http://localhost:8000"``); None keeps it in memory.
        client: A Chroma client (``chromadb.HttpClient(...)``), instead of a path.
        collection: Name of the index within the folder or server.
        encoder: What turns texts and type descriptions into vectors; None for the shipped one.

    Raises:
        TypeError: If ``client`` is not a Chroma client, or an asynchronous one.
        ValueError: If both ``path`` and ``client`` are given, the folder or collection holds
            something else, or the index was made with another encoder.
        RuntimeError: If another process writes to the folder, or its files are damaged.
        OSError: If the folder cannot be made or written, or no server answers.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        client: ClientAPI | None = None,
        collection: str | None = None,
        encoder: TypeAwareEncoder | None = None,
    ) -> None:
        if path is not None and client is not None:
            raise ValueError("give path or client, not both")
        if encoder is None:
            from ner_retriever_rag.encoder.encoder import default_encoder

            encoder = default_encoder()
        self.encoder = encoder
        in_memory = path is None and client is None
        name = collection or (None if in_memory else DEFAULT_COLLECTION)
        self._place = Place(path, client)
        self._store = Store.open(self._place, name, chroma.manifest_of(encoder))
        self._folder = self._place.folder
        kept = self._folder / f"table-{name}" if self._folder else None
        self._tables = Tables(self._store, encoder.dim, kept)
        self._search = Search(self._store, self._tables, encoder)

    def close(self) -> None:
        """Let go of the folder, so that other processes may write. Closing twice does nothing."""
        self._place.close()

    def __enter__(self) -> EntityIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(
        self,
        documents: Iterable[Document | str],
        *,
        spans: Given | None = None,
        progress: bool = False,
    ) -> AddReport:
        """Index documents; one whose id is there already is replaced, or skipped if unchanged.

        Documents are written some hundreds at a time. An interrupted ``add`` keeps what was
        written, and the same call again goes on from there.

        Args:
            documents: Documents, or texts (which get an id made from the text).
            spans: For each document the spans of its mentions, instead of detecting them; needs
                ``documents`` to be a list.
            progress: Show a progress bar.

        Raises:
            TypeError: If something is neither a ``Document`` nor a string.
            ValueError: If a text is empty, an id stands twice, a span lies outside its text, or
                metadata cannot be stored. Nothing of a list is written then; of a stream, what
                came some hundred documents before.
            RuntimeError: If another process has the folder open.
        """
        if isinstance(documents, str | Document):
            raise TypeError("documents must be a list or another iterable, not a single document")
        if spans is not None:
            documents = list(documents)
            if len(spans) != len(documents):
                raise ValueError(f"spans is for {len(spans)} documents, there are {len(documents)}")
        checked: Iterable[Document] = _checked(documents)
        if isinstance(documents, Sequence):
            checked = list(checked)  # all of a list before any of it is written
        total = length_hint(documents) or None
        report = AddReport()
        bar = tqdm(total=total, unit="document", disable=not progress, smoothing=0.05)
        with self._place.writing(), bar:
            for start, batch in _batches(checked, _BATCH):
                given = None if spans is None else spans[start : start + len(batch)]
                report += self._add_batch(batch, given)
                bar.update(len(batch))
        return report

    def delete(self, ids: str | Iterable[str]) -> int:
        """Delete documents by id; unknown ids are passed over.

        Returns:
            How many were deleted.
        """
        with self._place.writing():
            records = list(self._store.fetch(dict.fromkeys(_ids(ids))).values())
            for start in range(0, len(records), _BATCH):
                self._store.delete(records[start : start + _BATCH])
        return len(records)

    def get(self, ids: str | Iterable[str]) -> list[Document]:
        """Documents by id, in the order asked for; unknown ids are left out."""
        wanted = _ids(ids)
        found = self._store.fetch(dict.fromkeys(wanted))
        return [found[doc_id].document for doc_id in wanted if doc_id in found]

    def count(self) -> int:
        """How many documents the index holds."""
        return self._store.document_count()

    def mention_count(self) -> int:
        """How many mentions the index holds."""
        return self._store.mention_count()

    def storage(self) -> Storage:
        """Measure what the index takes, beside a sentence index of the same documents."""
        return measure_storage(self._store, self._folder)

    def search(
        self,
        query: Query,
        k: int | None = 10,
        *,
        where: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
        about: str | None = None,
        topic_weight: float | None = None,
        sharpen: bool = True,
        offset: int = 0,
        max_matches: int | None = None,
        exact: bool = False,
    ) -> list[DocumentMatch]:
        """Find the documents that mention entities of a type.

        Args:
            query: The type description, free text; or several of them in ``AnyOf``, ``AllOf`` and
                ``Not``, or examples in ``Like``.
            k: How many documents at most; None for all above the threshold.
            where: Chroma filter on the documents' metadata.
            score_threshold: Least score of a document, which is its best mention's probability
                where the query is one type; None for no bound, or 0.5 where ``k`` is None.
            about: What the documents should be about, free text that goes on after the type, as in
                "dinosaur" and "found in Argentina". A document's score is then ``type_score **
                (1 - topic_weight) * cosine ** topic_weight``, with the cosine of both in one phrase
                and the document (0 where it is negative).
            topic_weight: How much the topic counts, in [0, 1]; None for 0.7.
            sharpen: Move the query towards the mentions it finds; see
                :mod:`~ner_retriever_rag.index.sharpening`.
            offset: How many of the best documents to pass over, for the next page of a result.
            max_matches: List at most so many matches of a document, the best; None for all.
            exact: Look at every text for a topic, too. Mentions are always compared with all.

        Returns:
            Best document first. A document's matches are its mentions above the threshold
            (0.5 where there is none), and those its score comes from in any case; of mentions that
            overlap, the best.

        Raises:
            TypeError: If ``query`` is not a query, or ``about`` not a string.
            ValueError: If ``query`` or ``about`` is empty, ``k`` or ``max_matches`` is not
                positive, ``offset`` is negative, ``score_threshold`` or ``topic_weight`` is not in
                [0, 1], Chroma refuses ``where``, or the encoder has no text vectors for ``about``.
        """
        bounds = Bounds.check(
            k=k,
            where=where,
            score_threshold=score_threshold,
            sharpen=sharpen,
            offset=offset,
            max_matches=max_matches,
            exact=exact,
        )
        return self._search.documents([query], bounds, about, topic_weight)[0]

    def search_many(
        self, queries: Sequence[Query], k: int | None = 10, **options: Any
    ) -> list[list[DocumentMatch]]:
        """Search for several things at once, each by itself.

        Args:
            queries: As ``query`` in ``search``.
            k: How many documents at most for each.
            options: The other keywords of ``search``; ``about`` goes with every query.

        Returns:
            The result of each query, in order.

        Raises:
            TypeError: If ``queries`` is a string, or as ``search``.
            ValueError: As ``search``.
        """
        if isinstance(queries, str):
            raise TypeError("queries must be a list of queries, not one string")
        about, weight = options.pop("about", None), options.pop("topic_weight", None)
        return self._search.documents(queries, Bounds.check(k=k, **options), about, weight)

    def search_mentions(
        self,
        query: Query,
        k: int | None = 10,
        *,
        where: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
        sharpen: bool = True,
        offset: int = 0,
        exact: bool = False,
    ) -> list[MentionMatch]:
        """Find the mentions of entities of a type.

        Args:
            query: As in ``search``; a combination is applied to each mention by itself.
            k: How many mentions at most; None for all above the threshold.
            where: As in ``search``.
            score_threshold: As in ``search``.
            sharpen: As in ``search``.
            offset: How many of the best mentions to pass over.
            exact: As in ``search``.

        Returns:
            Best mention first; of mentions that overlap, the best.

        Raises:
            TypeError: As ``search``.
            ValueError: As ``search``.
        """
        bounds = Bounds.check(
            k=k,
            where=where,
            score_threshold=score_threshold,
            sharpen=sharpen,
            offset=offset,
            exact=exact,
        )
        return self._search.mentions(query, bounds)

    def facets(
        self,
        n: int = 30,
        *,
        where: Mapping[str, Any] | None = None,
        examples: int = 5,
        least_score: float = 0.1,
    ) -> list[Facet]:
        """Say which kinds of entity the documents mention.

        Every mention counts for one kind, the one of the shipped vocabulary that fits it best.

        Args:
            n: How many kinds at most.
            where: As in ``search``.
            examples: How many names of each kind.
            least_score: Mentions that no kind fits with this score are not counted.

        Returns:
            The kinds, that with most mentions first.

        Raises:
            ValueError: If ``n`` is not positive, ``examples`` is negative, ``least_score`` is not
                between 0 and 1, or Chroma refuses ``where``.
        """
        n, examples = whole_number("n", n, 1), whole_number("examples", examples, 0)
        if not 0 < share("least_score", least_score) < 1:
            raise ValueError(f"least_score must be between 0 and 1, not {least_score!r}")
        table = self._tables.current()
        return count_facets(
            table,
            Kinds.of(self.encoder),
            self._search.allowed(table, where),
            n=n,
            examples=examples,
            least_score=least_score,
        )

    def extract(
        self,
        types: Iterable[str | Like],
        *,
        score_threshold: float = 0.5,
        where: Mapping[str, Any] | None = None,
        all_types: bool = False,
        overlapping: bool = False,
        sharpen: bool = True,
    ) -> Iterator[MentionMatch]:
        """Take out every mention of some types, document by document, in order of place.

        Args:
            types: Type descriptions, or examples in ``Like``.
            score_threshold: Least score of a mention.
            where: As in ``search``.
            all_types: Give a mention under every type that passes, not only the one it fits best.
            overlapping: Of mentions of a type that overlap, give all and not only the best.
            sharpen: As in ``search``.

        Returns:
            An iterator of matches, each with its ``type``; documents in order of their ids.

        Raises:
            TypeError: If ``types`` is a string, or holds something else.
            ValueError: If ``types`` is empty, ``score_threshold`` is not in [0, 1], or Chroma
                refuses ``where``.
        """
        wanted = AnyOf(*check_types(types))
        bounds = Bounds.check(where=where, score_threshold=score_threshold, sharpen=sharpen)
        table = self._tables.current()
        query = self._search.scored(wanted, table)
        return extract(
            table,
            query,
            self._search.compare(table, query, bounds),
            self._search.allowed(table, bounds.where),
            score_threshold=bounds.threshold,
            all_types=all_types,
            overlapping=overlapping,
        )

    def _add_batch(self, batch: list[Document], given: Given | None) -> AddReport:
        versions = [
            version_of(document, None if given is None else given[number])
            for number, document in enumerate(batch)
        ]
        stored = self._store.fetch(document.id for document in batch)
        todo = [
            number
            for number, document in enumerate(batch)
            if document.id not in stored or stored[document.id].version != versions[number]
        ]
        if not todo:
            return AddReport(unchanged=len(batch))
        encoded = self.encoder.encode(
            [batch[number].text for number in todo],
            spans=[given[number] for number in todo] if given is not None else None,
        )
        fresh = [batch[number] for number in todo]
        self._store.write(fresh, [versions[number] for number in todo], encoded, stored)
        replaced = sum(document.id in stored for document in fresh)
        return AddReport(
            added=len(fresh) - replaced,
            replaced=replaced,
            unchanged=len(batch) - len(fresh),
            mentions=sum(len(one.mentions) for one in encoded),
        )


def _ids(ids: str | Iterable[str]) -> list[str]:
    wanted = [ids] if isinstance(ids, str) else list(ids)
    for doc_id in wanted:
        require_text(doc_id, "ids")
    return wanted


def _checked(documents: Iterable[Document | str]) -> Iterator[Document]:
    """Documents, checked one by one."""
    seen: dict[str, int] = {}
    for number, each in enumerate(documents):
        if not isinstance(each, str | Document):
            raise TypeError(
                f"documents[{number}] must be a Document or a string, not {type(each).__name__}"
            )
        document = (
            Document(require_text(each, f"documents[{number}]")) if isinstance(each, str) else each
        )
        check_metadata(document)
        if document.id in seen:
            raise ValueError(
                f"documents[{number}] has the id {document.id!r} of documents[{seen[document.id]}]"
            )
        seen[document.id] = number
        yield document


def _batches(documents: Iterable[Document], size: int) -> Iterator[tuple[int, list[Document]]]:
    """Documents in batches, each with the number of its first."""
    stream, start = iter(documents), 0
    while batch := list(islice(stream, size)):
        yield start, batch
        start += len(batch)
