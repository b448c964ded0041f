"""An index beside somebody else's collection follows what was written to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tqdm import tqdm

from ner_retriever_rag.encoder.ahead import ahead
from ner_retriever_rag.index.writing import BATCH, in_batches
from ner_retriever_rag.schema import AddReport, Document, EncodedText, Failure, SyncReport
from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.encodings import stored_encodings
from ner_retriever_rag.storage.records import version_of

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.beside import BesideStore

_PAGE = 1_000  # documents compared at once


def sync(store: BesideStore, encoder: TypeAwareEncoder, *, progress: bool) -> SyncReport:
    """Follow what was written to their collection; ``EntityIndex.sync`` explains.

    Args:
        store: The store; the caller holds its place.
        encoder: What encodes new texts.
        progress: Show a progress bar.
    """
    report, there = AddReport(), set[str]()
    ids = store.all_ids()  # all at once: pages of a collection that is being written shift
    with tqdm(total=len(ids), unit="document", disable=not progress, smoothing=0.05) as bar:
        for some in batches(ids, _PAGE):
            documents, failed = _documents(store.texts_of(some))
            there.update(document.id for document in documents)
            for done in _follow(store, encoder, documents):
                report += done
                bar.update(done.added + done.replaced + done.unchanged)
            report += AddReport(failed=failed)
            bar.update(len(failed))
    # Last, so that a document under a new id finds the vectors it had under the old one.
    gone = [doc_id for doc_id in store.document_ids() if doc_id not in there]
    for some in batches(gone, BATCH):
        store.delete(list(store.records(some).values()))
    # Readers may have left out a document that has its old text again.
    store.revisions.renew()
    return SyncReport(**{**asdict(report), "failed": report.failed}, deleted=len(gone))


def _documents(texts: Mapping[str, str | None]) -> tuple[list[Document], tuple[Failure, ...]]:
    """Texts as documents without metadata, and those that can be none."""
    documents, failed = [], []
    for doc_id, text in texts.items():
        try:
            documents.append(Document(text, doc_id))  # type: ignore[arg-type]  # refused below
        except (TypeError, ValueError) as error:
            failed.append(Failure(doc_id, str(error)))
    return documents, tuple(failed)


def _follow(
    store: BesideStore, encoder: TypeAwareEncoder, documents: Sequence[Document]
) -> Iterator[AddReport]:
    """Write the records of documents that have none, or one of another text; say so as it goes."""
    versions = {document.id: version_of(document, None) for document in documents}
    records = store.records(versions)
    todo = [
        document
        for document in documents
        if document.id not in records or records[document.id].version != versions[document.id]
    ]
    yield AddReport(unchanged=len(documents) - len(todo))

    def known(batch: Sequence[Document]) -> tuple[Sequence[Document], dict[str, EncodedText]]:
        twins = store.twins({versions[document.id]: document for document in batch})
        return batch, stored_encodings(store, twins, encoder.dim)

    def encode(batch: tuple[Sequence[Document], dict[str, EncodedText]]) -> dict[str, EncodedText]:
        documents, stored = batch
        texts = {versions[document.id]: document.text for document in documents}
        new = {version: text for version, text in texts.items() if version not in stored}
        return dict(zip(new, encoder.encode(list(new.values())) if new else [], strict=True))

    plans = map(known, in_batches(todo, lambda document: document.text))
    for (batch, stored), found in ahead(encode, plans, encoder.threads):
        encoded = stored | found
        ones = [encoded[versions[document.id]] for document in batch]
        store.write(batch, [versions[document.id] for document in batch], ones, records)
        replaced = sum(document.id in records for document in batch)
        mentions = sum(len(one.mentions) for one in ones)
        yield AddReport(len(batch) - replaced, replaced, mentions=mentions)
