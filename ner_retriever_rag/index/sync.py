"""Synchronization of an index with the existing collection it is beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from tqdm import tqdm

from ner_retriever_rag.index.writing import BATCH, Writer, in_batches
from ner_retriever_rag.schema import AddReport, Document, Failure, SyncReport
from ner_retriever_rag.storage.collection import batches

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.beside import BesideStore

_PAGE = 1_000  # documents compared per page


def sync(store: BesideStore, encoder: TypeAwareEncoder, *, progress: bool) -> SyncReport:
    """Bring the index up to date with the collection; see ``EntityIndex.sync``.

    Args:
        store: The store; the caller holds the lock on its place.
        encoder: Encodes new texts.
        progress: Show a progress bar.
    """
    report, seen, writer = AddReport(), set[str](), Writer(store, encoder)
    ids = store.all_ids()  # in one call: pages shift while a collection is being written
    with tqdm(total=len(ids), unit="document", disable=not progress, smoothing=0.05) as bar:
        for some in batches(ids, _PAGE):
            documents, failed = _documents(store.texts_of(some))
            seen.update(document.id for document in documents)
            prepared = ((document, None) for document in documents)
            for done in writer.add(in_batches(prepared, lambda each: each[0].text)):
                report += done
                bar.update(done.added + done.replaced + done.unchanged)
            report += AddReport(failed=failed)
            bar.update(len(failed))
    # Deleted last, so that a document under a new id can reuse the vectors of its old id.
    deleted = [doc_id for doc_id in store.document_ids() if doc_id not in seen]
    for some in batches(deleted, BATCH):
        store.delete(list(store.records(some).values()))
    # Readers may be leaving out a document whose original text has been restored.
    store.renew()
    return SyncReport(**{**asdict(report), "failed": report.failed}, deleted=len(deleted))


def _documents(texts: Mapping[str, str | None]) -> tuple[list[Document], tuple[Failure, ...]]:
    """Make documents without metadata from texts; also return the failures of invalid texts."""
    documents, failed = [], []
    for doc_id, text in texts.items():
        try:
            documents.append(Document(text, doc_id))  # type: ignore[arg-type]  # rejected below
        except (TypeError, ValueError) as error:
            failed.append(Failure(doc_id, str(error)))
    return documents, tuple(failed)
