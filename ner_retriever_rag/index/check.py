"""Integrity check and repair: compare what an index holds with what it should hold."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ner_retriever_rag.candidates import table_files
from ner_retriever_rag.candidates.stored_rows import describe
from ner_retriever_rag.candidates.tables import TABLE
from ner_retriever_rag.storage import graph_files
from ner_retriever_rag.storage.chroma_log import StuckLogError
from ner_retriever_rag.storage.collection import Rows, batches
from ner_retriever_rag.storage.engine_store import open_store
from ner_retriever_rag.storage.place import Place
from ner_retriever_rag.storage.records import DamagedRecordError, RowKey, version_of
from ner_retriever_rag.storage.roles import DOCUMENTS, MENTIONS_SUFFIX, roles_in
from ner_retriever_rag.storage.store import Store, StoredDocument

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

_PAGE = 500


@dataclass(slots=True)
class Findings:
    """The result of a check.

    Attributes:
        documents: Number of documents.
        mentions: Number of valid mentions.
        unfinished: Number of writes that did not complete.
        orphans: Ids of mention rows that belong to no current document.
        incomplete: Ids of documents that lack some of their mentions or vectors.
        unreadable: Ids of documents whose record cannot be read.
        graphs: Damaged vector files, each with what is wrong with it; until they are repaired
            nothing else can be checked.
        stuck: Ids of records in Chroma's log with more metadata than it can write; until they are
            repaired nothing else can be checked. A repair stores that metadata as JSON.
        mended: Ids of documents that were re-encoded from their stored text.
        lost: Ids of documents that could not be repaired because their text is missing.
        tables: The cached tables in the folder, of all its indexes, each with the reason why the
            next search will rebuild it; "" if it will not.
        leftovers: Files in the folder left over by finished writes and repairs.
        foreign: Collections there that do not belong to an index.
    """

    documents: int = 0
    mentions: int = 0
    unfinished: int = 0
    orphans: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    graphs: dict[str, str] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether there is nothing to repair."""
        return not (
            self.unfinished
            or self.orphans
            or self.incomplete
            or self.unreadable
            or self.graphs
            or self.stuck
        )


def check(folder: str | Path, collection: str, encoder: TypeAwareEncoder) -> Findings:
    """Check an index without changing it.

    Chroma first reads its files in a separate process: a crash there is reported as a finding.

    Args:
        folder: Folder of the index, or the address of a Chroma server.
        collection: Name of the index.
        encoder: The encoder it was made with.

    Raises:
        RuntimeError: If another process is writing to it.
        ValueError: If the folder holds something else.
    """
    place = Place(folder, thorough=_collections(collection))
    try:
        store = open_store(place, collection, encoder, describe)
        findings = _scan(store)
    except graph_files.DamagedFilesError as error:
        findings = Findings(graphs=error.graphs)
    except StuckLogError as error:
        findings = Findings(stuck=[each.id for each in error.records])
    finally:
        place.close()
    if place.folder is not None:
        _scan_folder(place.folder, findings)
    return findings


def repair(folder: str | Path, collection: str, encoder: TypeAwareEncoder) -> Findings:
    """Repair what can be repaired: remove orphaned rows, re-encode incomplete documents.

    Args:
        folder: As for ``check``.
        collection: As for ``check``.
        encoder: As for ``check``.

    Returns:
        The findings, with ``mended`` and ``lost`` filled in.

    Raises:
        RuntimeError: If another process has it open.
        ValueError: If the folder holds something else.
    """
    place = Place(folder, thorough=_collections(collection), repair=True)
    store = open_store(place, collection, encoder, describe)
    try:
        with place.writing():
            unfinished = store.unfinished()
            store.recover(unread=True)
            findings = _scan(store)
            findings.graphs, findings.unfinished = place.damaged, unfinished
            findings.stuck = [each.id for each in place.unstuck]
            store.drop_rows(findings.orphans)
            _reencode(store, encoder, findings)
            if place.folder is not None:
                graph_files.archive(place.folder)
                _scan_folder(place.folder, findings)
                _delete_unusable(place.folder, findings)
    finally:
        place.close()
    return findings


def _scan_folder(folder: Path, findings: Findings) -> None:
    """Add the tables, leftovers and foreign collections of a folder to the findings."""
    roles = roles_in(folder)
    findings.foreign = sorted(name for name, role in roles.items() if role is None)
    kept = {f"{TABLE}{name}" for name, role in roles.items() if role == DOCUMENTS}
    for each in sorted(folder.iterdir()):
        if each.name in kept:
            findings.tables[each.name] = table_files.integrity_problem(each) or ""
        elif each.name.startswith((TABLE, *graph_files.ASIDE)):
            findings.leftovers.append(each.name)


def _delete_unusable(folder: Path, findings: Findings) -> None:
    """Delete unusable tables; damaged graphs are kept for inspection."""
    useless = [name for name, problem in findings.tables.items() if problem]
    useless += [name for name in findings.leftovers if name.startswith(TABLE)]
    for name in useless:
        shutil.rmtree(folder / name, ignore_errors=True)


def _collections(name: str) -> list[str]:
    """The names of the collections of an index."""
    return [name, f"{name}{MENTIONS_SUFFIX}"]


def _scan(store: Store) -> Findings:
    findings = Findings(store.document_count(), 0, store.unfinished())
    there = set(store.row_ids())
    belonging: set[str] = set()
    for ids in batches(store.document_ids(), _PAGE):
        records, unreadable = _readable(store, ids)
        findings.unreadable += unreadable
        rows_of = {record.doc_id: record.row_ids(store.per_row) for record in records}
        wanted = [each for rows in rows_of.values() for each in rows]
        belonging.update(wanted)
        have = _with_vectors(store.mentions, [each for each in wanted if each in there])
        texts = _with_vectors(store.texts, list(rows_of))
        findings.incomplete += [
            doc_id
            for doc_id, rows in rows_of.items()
            if doc_id not in texts or not have.issuperset(rows)
        ]
    findings.mentions = sum(len(RowKey.parse(each).spans) for each in there & belonging)
    findings.orphans = sorted(there - belonging - store.leftovers())
    return findings


def _readable(store: Store, ids: Sequence[str]) -> tuple[list[StoredDocument], list[str]]:
    """The records of documents, and the ids of documents whose records cannot be read."""
    try:
        return list(store.fetch(ids).values()), []
    except DamagedRecordError:
        if len(ids) == 1:
            return [], list(ids)
    half = len(ids) // 2
    one, other = _readable(store, ids[:half]), _readable(store, ids[half:])
    return one[0] + other[0], one[1] + other[1]


def _with_vectors(rows: Rows, ids: Sequence[str]) -> set[str]:
    """The given ids whose vectors can be read."""
    if not ids:
        return set()
    try:
        return set(rows.vectors(ids, retry=False))
    except RuntimeError:
        if len(ids) == 1:
            return set()
    half = len(ids) // 2
    return _with_vectors(rows, ids[:half]) | _with_vectors(rows, ids[half:])


def _reencode(store: Store, encoder: TypeAwareEncoder, findings: Findings) -> None:
    """Re-encode damaged documents from their stored texts, and rewrite them."""
    for ids in batches(findings.incomplete, _PAGE):
        records = list(store.fetch(ids).values())
        _rewrite(store, encoder, records, [record.spans for record in records])
        findings.mended += [record.document.id for record in records]
    for doc_id in findings.unreadable:
        document = store.salvaged(doc_id)
        if document is None:
            findings.lost.append(doc_id)
            continue
        record = StoredDocument(doc_id, version_of(document, None), [], document)
        _rewrite(store, encoder, [record], None)
        findings.mended.append(doc_id)


def _rewrite(
    store: Store,
    encoder: TypeAwareEncoder,
    records: Sequence[StoredDocument],
    spans: Sequence[Sequence[tuple[int, int]]] | None,
) -> None:
    documents = [record.document for record in records]
    store.write(
        documents,
        [record.version for record in records],
        encoder.encode([document.text for document in documents], spans=spans),
        {record.document.id: record for record in records},
    )
