"""Encodings of documents, read from the index if it holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ner_retriever_rag.schema import Document, EncodedText
from ner_retriever_rag.storage.encodings import stored_encodings

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.protocol import DocumentStore


def load_or_encode(
    store: DocumentStore, encoder: TypeAwareEncoder, documents: Sequence[Document]
) -> list[EncodedText]:
    """Mentions and vectors of documents; see ``EntityIndex.encoded``.

    Args:
        store: The store of the index.
        encoder: The encoder of the index, for the documents it does not hold.
        documents: The documents.
    """
    records = store.fetch(dict.fromkeys(document.id for document in documents))
    stored = stored_encodings(store, records, encoder.dim)
    known = [
        stored.get(each.id) if each.id in records and records[each.id].document.text == each.text
        else None
        for each in documents
    ]  # fmt: skip
    missing = [each.text for each, one in zip(documents, known, strict=True) if one is None]
    fresh = iter(encoder.encode(missing) if missing else [])
    return [next(fresh) if one is None else one for one in known]
