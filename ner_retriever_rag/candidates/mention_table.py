"""All mentions of an index as columns, so that one matrix product scores a query against them all.

The table is a snapshot of the store: documents sorted by id, the mentions of each document
contiguous. Chroma remains the single source of truth. The table is built from it, and rebuilt
(reading only the documents that changed) when the store's revision changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import Cells
from ner_retriever_rag.encoder.names import name_hashes, names_of
from ner_retriever_rag.queries.description_names import names_nearby
from ner_retriever_rag.queries.non_overlapping import NonOverlapping
from ner_retriever_rag.queries.repetition import last_word
from ner_retriever_rag.queries.scoring import is_cased
from ner_retriever_rag.schema import PRIORITY_BITS, BackgroundSample, Document, EncodedText, Span
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.records import StoredDocument, distinct_spans

BACKGROUND = 512  # mentions in the background sample
_PAGE = 1_000  # documents read at once
_READ_ATTEMPTS = 5  # attempts to read a document that is being replaced


_OF_NAMES = np.zeros(256, dtype=np.bool_)  # bytes that do not occur in common nouns
_OF_NAMES[[*b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *b"/\\@_.:=$%#<>|~+"]] = True


@dataclass(frozen=True)
class MentionTable:
    """The mentions of an index, grouped by document.

    Attributes:
        doc_ids: Ids of the documents, sorted.
        versions: The version of each document.
        cased: bool ``(documents,)``, whether the text uses capitals.
        first: int64 ``(documents + 1,)``; document i has the mentions ``first[i]:first[i + 1]``.
        starts: int32 ``(mentions,)``, first character of each mention.
        ends: int32 ``(mentions,)``, one past the last character.
        last_words: uint32 ``(mentions,)``, see
            :func:`~ner_retriever_rag.queries.repetition.last_word`.
        names: uint64 ``(mentions,)``, see :func:`~ner_retriever_rag.encoder.names.name_hashes`.
        nearby: uint64 ``(mentions, 2)``, see
            :func:`~ner_retriever_rag.queries.description_names.names_nearby`.
        priorities: float32 ``(mentions,)`` in (0, 1], a fixed random number for each mention, see
            :func:`random_priorities`.
        words: The mentions' words in UTF-8, as in the readable views of their texts, concatenated.
        offsets: int64 ``(mentions, 2)``; the words of mention i are
            ``words[offsets[i, 0]:offsets[i, 1]]``.
        vectors: float32 ``(mentions, dim)``, L2-normalized.
        cells: Inverted file over the vectors; None where it is not needed or would not help.
        sample: Background sample of all mentions if the table holds only some; None if it is all.
    """

    doc_ids: list[str]
    versions: list[str]
    cased: NDArray[np.bool_]
    first: NDArray[np.int64]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    last_words: NDArray[np.uint32]
    names: NDArray[np.uint64]
    nearby: NDArray[np.uint64]
    priorities: NDArray[np.float32]
    words: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    vectors: NDArray[np.float32]
    cells: Cells | None = None
    sample: BackgroundSample | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each document, by id."""
        return {doc_id: row for row, doc_id in enumerate(self.doc_ids)}

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """int64 ``(mentions,)``, the row of each mention's document."""
        return np.repeat(np.arange(len(self.doc_ids)), np.diff(self.first))

    @cached_property
    def background(self) -> BackgroundSample:
        """Background sample of all mentions of the index, even if this table holds only some."""
        if self.sample is not None:
            return self.sample
        return background_of(len(self), self.priorities, self.vectors)

    def text(self, mention: int) -> str:
        """Return the words of a mention."""
        first, last = self.offsets[mention]
        return self.words[first:last].tobytes().decode()

    def letters(self, mentions: slice) -> NDArray[np.uint8]:
        """Return the words, in UTF-8, of mentions whose words are contiguous."""
        offsets = self.offsets[mentions].ravel()
        return self.words[offsets[0] : offsets[-1]] if len(offsets) else self.words[:0]

    def span(self, mention: int) -> Span:
        """Return the first character of a mention and one past its last."""
        return int(self.starts[mention]), int(self.ends[mention])

    def mentions_of(self, document: int) -> slice:
        """Return the mentions of a document."""
        return slice(int(self.first[document]), int(self.first[document + 1]))

    def only(self, mentions: NDArray[np.integer]) -> MentionTable:
        """Return a table of some of the mentions; it keeps all documents and words.

        Args:
            mentions: ``(n,)``, their rows, ascending.
        """
        counts = np.bincount(self.owner[mentions], minlength=len(self.doc_ids))
        return replace(
            self,
            first=np.concatenate([[0], np.cumsum(counts)]),
            starts=self.starts[mentions],
            ends=self.ends[mentions],
            last_words=self.last_words[mentions],
            names=self.names[mentions],
            nearby=self.nearby[mentions],
            priorities=self.priorities[mentions],
            offsets=self.offsets[mentions],
            vectors=np.asarray(self.vectors).take(mentions, axis=0),  # faster than [mentions]
            cells=None,
            sample=self.background,
        )

    def origins(self, before: MentionTable) -> NDArray[np.int64]:
        """Return each mention's row in an older table, int64 ``(mentions,)``; -1 if not there."""
        rows = [before.row_of.get(doc_id, -1) for doc_id in self.doc_ids]
        same = [
            row >= 0 and before.versions[row] == version
            for row, version in zip(rows, self.versions, strict=True)
        ]
        moved = np.repeat(before.first[rows] - self.first[:-1], np.diff(self.first))
        there = np.repeat(same, np.diff(self.first))
        return np.where(there, np.arange(len(self)) + moved, -1)

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """Which mentions are names rather than common nouns, bool ``(mentions,)``.

        A name has a capital, a digit or a character that ordinary words lack ("docker-compose.yml",
        "--no-cache"). All mentions of a text without any capital count as names.
        """
        lengths = self.offsets[:, 1] - self.offsets[:, 0]
        # Into these mentions' words only: ``words`` may hold many others.
        offsets = offsets_of(lengths)
        moved = np.repeat(self.offsets[:, 0] - offsets[:, 0], lengths)
        letters = self.words[np.arange(len(moved)) + moved]
        telling = _OF_NAMES[letters]
        before = np.concatenate([[0], np.cumsum(telling, dtype=np.int64)])
        beyond = np.concatenate([[0], np.cumsum(letters >= 0x80, dtype=np.int64)])
        named = before[offsets[:, 1]] > before[offsets[:, 0]]
        named |= ~self.cased[self.owner]
        named[lengths > 0] |= letters[offsets[lengths > 0, 0]] == ord("-")
        for n in np.flatnonzero(~named & (beyond[offsets[:, 1]] > beyond[offsets[:, 0]])):
            named[n] = any(char.isupper() or char.isdigit() for char in self.text(int(n)))
        return named

    @cached_property
    def overlaps(self) -> NDArray[np.bool_]:
        """Which mentions overlap another one, bool ``(mentions,)``."""
        document = self.owner << 32
        order = np.argsort(document + self.starts, kind="stable")
        starts, ends = (document + self.starts)[order], (document + self.ends)[order]
        into = starts[1:] < np.maximum.accumulate(ends)[:-1]  # the previous one or one before
        overlaps = np.zeros(len(self), dtype=np.bool_)
        if len(self):
            overlaps[order] = np.append(False, into) | np.append(into, False)
        return overlaps

    def non_overlapping(self, mentions: Iterable[int]) -> Iterator[int]:
        """Yield the mentions in order, without those that overlap one already yielded."""
        kept, overlaps = NonOverlapping(), self.overlaps
        return (
            n for n in mentions if not overlaps[n] or kept.take(int(self.owner[n]), self.span(n))
        )

    def best_of_each(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the maximum value of each document: ``(m, documents)`` from ``(m, mentions)``.

        -inf where a document has no mention.
        """
        best = np.full((len(values), len(self.doc_ids)), -np.inf, dtype=np.float32)
        has = np.flatnonzero(np.diff(self.first))
        if len(has):
            best[:, has] = np.maximum.reduceat(values, self.first[has], axis=1)
        return best

    def documents(self, doc_ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the rows of documents by id; unknown ids are ignored."""
        found = [self.row_of[each] for each in doc_ids if each in self.row_of]
        return np.asarray(found, dtype=np.int64)


def background_of(
    count: int, priorities: NDArray[np.float32], vectors: NDArray[np.float32]
) -> BackgroundSample:
    """Build a background sample from mentions that include those with the lowest priorities.

    Args:
        count: Number of mentions that the sample represents.
        priorities: float32 ``(n,)``.
        vectors: float32 ``(n, dim)``.
    """
    sampled = np.arange(len(priorities))
    if len(priorities) > BACKGROUND:
        sampled = np.sort(np.argpartition(priorities, BACKGROUND)[:BACKGROUND])
    return BackgroundSample(count, priorities[sampled], np.asarray(vectors)[sampled])


def read_table(
    store: DocumentStore,
    dim: int,
    before: MentionTable | None = None,
    touched: Set[str] | None = None,
) -> MentionTable:
    """Build the table of a store's current content.

    Args:
        store: The store.
        dim: Width of the vectors.
        before: An older table; documents that have not changed since are not read again.
        touched: Ids of all documents that may differ from it, if known; no others are read.
    """
    places: dict[str, tuple[MentionTable, int]] = {}
    if before is None:
        before = gather_documents([], dim)
    if touched is not None:
        places = {each: (before, row) for each, row in before.row_of.items() if each not in touched}
    pages = store.pages(size=_PAGE) if touched is None else [list(store.fetch(touched).values())]
    for page in pages:
        changed = []
        for record in page:
            row = before.row_of.get(record.document.id)
            if row is not None and before.versions[row] == record.version:
                places[record.document.id] = before, row
            else:
                changed.append(record)
        for fresh in _read_consistent(changed, store, dim):
            places.update((doc_id, (fresh, row)) for row, doc_id in enumerate(fresh.doc_ids))
    return gather_documents([places[doc_id] for doc_id in sorted(places)], dim)


def _read_consistent(
    records: Sequence[StoredDocument], store: DocumentStore, dim: int
) -> Iterator[MentionTable]:
    """Yield tables of the given documents, each document in one consistent version.

    The vectors of an old version may be deleted between reading its record and reading them; by
    then the new version is complete.
    """
    for _ in range(_READ_ATTEMPTS):
        yield (table := table_of_records(records, store, dim))
        before = {each.doc_id: each for each in records if each.doc_id not in table.row_of}
        now = store.fetch(before) if before else {}
        records = [each for each in now.values() if each.version != before[each.doc_id].version]
        if not records:
            return


def table_of_records(
    records: Sequence[StoredDocument], store: DocumentStore, dim: int
) -> MentionTable:
    """Build the table of the given documents; one with vectors missing is left out."""
    vectors = store.vectors(records, dim)
    whole = [record for record in records if record.document.id in vectors]
    return _columns(whole, [vectors[record.document.id] for record in whole], dim)


def table_of(
    documents: Sequence[Document], encoded: Sequence[EncodedText], dim: int
) -> tuple[MentionTable, list[int]]:
    """Build the table of documents that are not indexed, as an index of only these would have it.

    Args:
        documents: The documents. Ids may repeat; documents with equal id and text count once.
        encoded: Their mentions and vectors.
        dim: Width of the vectors.

    Returns:
        The table, and each document's row in it.
    """
    places: dict[tuple[str, str], str] = {}
    records: dict[str, StoredDocument] = {}
    vectors: dict[str, NDArray[np.float32]] = {}
    for document, one in zip(documents, encoded, strict=True):
        key = document.id, document.text
        if key in places:
            continue
        doc_id = document.id
        while doc_id in records:
            doc_id += "'"
        places[key] = doc_id
        rows = {(m.start, m.end): row for row, m in enumerate(one.mentions)}
        records[doc_id] = StoredDocument(doc_id, "", distinct_spans(one), document)
        vectors[doc_id] = one.vectors[[rows[span] for span in records[doc_id].spans]]
    order = sorted(records)
    table = _columns([records[each] for each in order], [vectors[each] for each in order], dim)
    return table, [table.row_of[places[each.id, each.text]] for each in documents]


def _columns(
    records: Sequence[StoredDocument], vectors: Sequence[NDArray[np.float32]], dim: int
) -> MentionTable:
    """Build the table of documents and their mention vectors, in the given order."""
    texts = [record.document.text for record in records]
    spans = [span for record in records for span in record.spans]
    words = [
        name
        for text, record in zip(texts, records, strict=True)
        for name in names_of(text, record.spans)
    ]
    encoded = [each.encode() for each in words]
    return MentionTable(
        [record.doc_id for record in records],
        [record.version for record in records],
        np.array([is_cased(text) for text in texts], dtype=np.bool_),
        np.cumsum([0, *(len(record.spans) for record in records)], dtype=np.int64),
        np.array([start for start, _ in spans], dtype=np.int32),
        np.array([end for _, end in spans], dtype=np.int32),
        np.array([last_word(each) for each in words], dtype=np.uint32),
        name_hashes(words),
        np.concatenate(
            [np.zeros((0, 2), np.uint64)]
            + [names_nearby(text, each.spans) for text, each in zip(texts, records, strict=True)]
        ),
        random_priorities([(record.doc_id, span) for record in records for span in record.spans]),
        np.frombuffer(b"".join(encoded), dtype=np.uint8),
        offsets_of([len(each) for each in encoded]),
        np.concatenate([np.zeros((0, dim), np.float32), *vectors]),
    )


def random_priorities(mentions: Sequence[tuple[str, Span]]) -> NDArray[np.float32]:
    """Return a pseudorandom priority for each mention, float32 ``(n,)`` in (0, 1].

    It is a hash of the mention's position, not of its vector, which may differ in the last bit when
    a text is encoded in another batch.

    Args:
        mentions: Document id and span of each mention.
    """
    size = PRIORITY_BITS // 8
    drawn = (blake2b(repr(each).encode(), digest_size=size).digest() for each in mentions)
    numbers = (int.from_bytes(each) + 1 for each in drawn)
    priorities = np.fromiter(numbers, dtype=np.float32, count=len(mentions))
    return priorities / np.float32(2**PRIORITY_BITS)


def gather_documents(places: Sequence[tuple[MentionTable, int]], dim: int) -> MentionTable:
    """Build a table of documents taken from other tables, in the given order."""
    slices = [(table, table.mentions_of(row)) for table, row in places]

    def column(of: Callable[[MentionTable, slice], NDArray[Any]], dtype: Any) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype), *(of(*each) for each in slices)])

    lengths = column(lambda t, s: t.offsets[s, 1] - t.offsets[s, 0], np.int64)
    return MentionTable(
        [table.doc_ids[row] for table, row in places],
        [table.versions[row] for table, row in places],
        np.array([table.cased[row] for table, row in places], dtype=np.bool_),
        np.cumsum([0, *(s.stop - s.start for _, s in slices)], dtype=np.int64),
        column(lambda t, s: t.starts[s], np.int32),
        column(lambda t, s: t.ends[s], np.int32),
        column(lambda t, s: t.last_words[s], np.uint32),
        column(lambda t, s: t.names[s], np.uint64),
        np.concatenate([np.zeros((0, 2), np.uint64), *(t.nearby[s] for t, s in slices)]),
        column(lambda t, s: t.priorities[s], np.float32),
        column(lambda t, s: t.letters(s), np.uint8),
        offsets_of(lengths),
        np.concatenate([np.zeros((0, dim), np.float32), *(t.vectors[s] for t, s in slices)]),
    )


def offsets_of(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the start and end offsets of concatenated words by their lengths, int64 ``(n, 2)``."""
    ends = np.cumsum(lengths, dtype=np.int64)
    return np.stack([ends - np.asarray(lengths, dtype=np.int64), ends], axis=1)
