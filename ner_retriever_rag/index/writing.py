"""Writing to an index: documents are validated, encoded if needed, and stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ner_retriever_rag.encoder.prefetch import prefetch
from ner_retriever_rag.index.interop import (
    from_langchain,
    from_llama_index,
    is_blank,
    is_langchain,
    is_llama_index,
)
from ner_retriever_rag.schema import (
    AddReport,
    Document,
    EncodedText,
    Failure,
    Span,
    require_spans,
    require_text,
    type_name,
)
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.encodings import stored_encodings
from ner_retriever_rag.storage.metadata import check_metadata, storable
from ner_retriever_rag.storage.records import Record, StoredDocument, version_of

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.protocol import DocumentStore

_log = logging.getLogger(__name__)

BATCH = 128  # most documents encoded and written together; also the step of the progress bar
_MAX_CHARACTERS = (
    100_000  # characters that close a batch: a second or two of encoding; a write costs 55 ms
)

GivenSpans = Sequence[Sequence[Span]]
OnError = Callable[[Failure], None]
Prepared = tuple[Document, Sequence[Span] | None]
T = TypeVar("T")


class Writer:
    """Writes documents to a store; the caller holds the lock on the folder.

    Args:
        store: Receives the documents.
        encoder: Encodes them.
    """

    def __init__(self, store: DocumentStore, encoder: TypeAwareEncoder) -> None:
        self._store, self._encoder = store, encoder

    def add(
        self, batches: Iterable[Sequence[Prepared]], on_error: OnError | None = None
    ) -> Iterator[AddReport]:
        """Store documents; documents already stored with identical content are skipped.

        If a text is stored with the same mentions under other metadata or another id, its vectors
        are reused. Batches are encoded while the preceding ones are written.

        Args:
            batches: Documents, with ids unique across all batches, and the spans given for each,
                if any.
            on_error: Called for each document that cannot be encoded, which is left out; None
                raises instead.

        Yields:
            A report for each batch, once it is written.

        Raises:
            Exception: The encoder's error for a document, with the document's id in the message;
                as a RuntimeError if the error type takes more than a message.
        """
        plans = map(self._plan, batches)
        for plan, (found, failed) in prefetch(self._encode, plans, self._encoder.threads):
            for doc_id, error in failed.items():
                why = f"cannot be encoded: {type(error).__name__}: {error}"
                if on_error is None:
                    raise _error_type(error)(f"document {doc_id!r} {why}") from error
                on_error(Failure(doc_id, why))
            yield self._write(plan.without(failed), found)

    def _plan(self, batch: Sequence[Prepared]) -> _Plan:
        """Determine which documents of a batch are already stored."""
        versions = {document.id: version_of(document, given) for document, given in batch}
        stored = self._store.replaceable(versions)
        todo = [
            each
            for each in batch
            if each[0].id not in stored or stored[each[0].id].version != versions[each[0].id]
        ]
        return _Plan(batch, versions, todo, stored, self._known(todo, versions, stored))

    def _write(self, plan: _Plan, found: dict[str, EncodedText]) -> AddReport:
        """Write the new and changed documents of a batch, and return a report."""
        if not plan.todo:
            return AddReport(unchanged=len(plan.batch))
        encoded = plan.known | found
        documents = [document for document, _ in plan.todo]
        stored = plan.stored
        if not self._store.alone:  # other processes may have written in the meantime
            stored = self._store.replaceable(document.id for document in documents)
        self._store.write(
            documents,
            [plan.versions[document.id] for document in documents],
            [encoded[document.id] for document in documents],
            stored,
        )
        replaced = sum(document.id in stored for document in documents)
        return AddReport(
            added=len(documents) - replaced,
            replaced=replaced,
            unchanged=len(plan.batch) - len(documents),
            mentions=sum(len(encoded[document.id].mentions) for document in documents),
        )

    def _known(
        self,
        todo: Sequence[Prepared],
        versions: Mapping[str, str],
        stored: Mapping[str, Record],
    ) -> dict[str, EncodedText]:
        """Mentions and vectors, by id, of the documents whose texts are already stored."""
        new = {versions[each.id]: each for each, _ in todo if each.id not in stored}
        elsewhere = self._store.twins(new)
        known = {}
        for document, given in todo:
            twin = stored.get(document.id) or elsewhere.get(versions[document.id])
            if (
                isinstance(twin, StoredDocument)
                and twin.document.text == document.text
                and twin.version == version_of(twin.document, given)
            ):
                known[document.id] = twin
        return stored_encodings(self._store, known, self._encoder.dim)

    def _encode(self, plan: _Plan) -> tuple[dict[str, EncodedText], dict[str, Exception]]:
        """Encode the documents whose texts are new; return encodings and errors, both by id."""
        new = [each for each in plan.todo if each[0].id not in plan.known]
        found: dict[str, EncodedText] = {}
        failed: dict[str, Exception] = {}
        for with_spans in (False, True):
            some = [each for each in new if (each[1] is not None) == with_spans]
            if some:
                self._encode_group(some, with_spans, found, failed)
        return found, failed

    def _encode_group(
        self,
        some: Sequence[Prepared],
        with_spans: bool,
        found: dict[str, EncodedText],
        failed: dict[str, Exception],
    ) -> None:
        """Encode documents together; if that fails, one by one, to isolate the bad documents."""
        texts = [document.text for document, _ in some]
        try:
            if with_spans:
                encoded = self._encoder.encode(texts, [given or [] for _, given in some])
                found.update(zip((document.id for document, _ in some), encoded, strict=True))
            else:
                texts = list(dict.fromkeys(texts))
                of_text = dict(zip(texts, self._encoder.encode(texts), strict=True))
                found.update((document.id, of_text[document.text]) for document, _ in some)
        except Exception as error:
            if len(some) == 1:
                failed[some[0][0].id] = error
                return
            alone: dict[str, Exception] = {}
            for each in some:
                self._encode_group([each], with_spans, found, alone)
            if len(alone) == len(some):  # the cause is not a particular document
                raise
            failed.update(alone)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with a batch.

    Attributes:
        batch: The documents, and the spans given for each, if any.
        versions: Their content hashes, by id.
        todo: Those that are new or have changed.
        stored: The records stored under their ids.
        known: Mentions and vectors, by id, that need not be encoded again.
    """

    batch: Sequence[Prepared]
    versions: Mapping[str, str]
    todo: Sequence[Prepared]
    stored: Mapping[str, Record]
    known: dict[str, EncodedText]

    def without(self, failed: Collection[str]) -> _Plan:
        """Return the plan without the documents that cannot be encoded."""
        if not failed:
            return self
        batch = [each for each in self.batch if each[0].id not in failed]
        return replace(self, batch=batch, todo=[e for e in self.todo if e[0].id not in failed])


def _error_type(error: Exception) -> type[Exception]:
    kinds = (ValueError, TypeError, MemoryError, OSError)
    return next((kind for kind in kinds if type(error) is kind), RuntimeError)


def in_batches(items: Iterable[T], text_of: Callable[[T], str]) -> Iterator[list[T]]:
    """Group items into batches to encode and write together; fewer to a batch if texts are long."""
    return batches(items, BATCH, lambda item: len(text_of(item)), _MAX_CHARACTERS)


def in_batches_by_shard(
    documents: Iterable[Prepared], shard_of: Callable[[str], int]
) -> Iterator[list[Prepared]]:
    """Like ``in_batches``, with one shard per batch, so that shards are not sent tiny batches.

    Args:
        documents: Documents, with the spans given for each.
        shard_of: Maps a document's id to the number of its shard.
    """
    waiting: dict[int, list[Prepared]] = {}
    characters: dict[int, int] = {}
    for each in documents:
        shard = shard_of(each[0].id)
        batch = waiting.setdefault(shard, [])
        batch.append(each)
        characters[shard] = characters.get(shard, 0) + len(each[0].text)
        if len(batch) == BATCH or characters[shard] >= _MAX_CHARACTERS:
            yield waiting.pop(shard)
            characters[shard] = 0
    yield from waiting.values()


def check_documents(
    documents: Iterable[object], spans: GivenSpans | None, on_error: OnError | None
) -> Iterator[Prepared]:
    """Validate the caller's documents; yield those that can be stored, with their spans.

    Args:
        documents: What the caller passed: documents, ours or a framework's, and strings.
        spans: The mention spans of each document, or None.
        on_error: Called for each document that cannot be stored; None raises instead, and skips
            blank documents (most files have empty pages) with a warning in the log.

    Raises:
        TypeError: If an item is neither a document nor a string, or spans are not numbers.
        ValueError: If an id occurs twice, metadata cannot be stored, or a span lies
            outside its text.
    """
    seen: dict[str, int] = {}
    for place, each in enumerate(documents):
        if on_error is None and is_blank(each):
            _log.warning("documents[%d] has no text and is skipped", place)
            continue
        try:
            document = _document(each, place)
            check_metadata(document)
            if (before := seen.get(document.id)) is not None:
                raise ValueError(
                    f"documents[{place}] has the id {document.id!r} of documents[{before}]"
                )
            given = None
            if spans is not None:
                given = require_spans(spans[place], document.text, f"spans[{place}]")
        except (TypeError, ValueError) as error:
            if on_error is None:
                raise
            on_error(Failure(each.id if isinstance(each, Document) else place, str(error)))
            continue
        seen[document.id] = place
        yield document, given


def _document(each: object, place: int) -> Document:
    if isinstance(each, Document):
        return each
    if is_langchain(each):
        return from_langchain(each)
    if is_llama_index(each):
        return from_llama_index(each)
    if not isinstance(each, str):
        raise TypeError(
            f"documents[{place}] must be a Document (ours, LangChain's or a LlamaIndex node) or a "
            f"string, not {type_name(each)}"
        )
    return Document(require_text(each, f"documents[{place}]"))


def storable_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata entries that an index can store without loss."""
    return {key: value for key, value in metadata.items() if storable(key, value)}
