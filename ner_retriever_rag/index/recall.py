"""What documents were encoded to, from the index where it holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.schema import Document, EncodedText, Mention

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.index.store import Store, StoredDocument


def recall(
    store: Store, encoder: TypeAwareEncoder, documents: Sequence[Document]
) -> list[EncodedText]:
    """Mentions and vectors of documents; ``EntityIndex.encoded`` explains.

    Args:
        store: Where to look.
        encoder: What the index was made with; encodes the documents it does not hold.
        documents: The documents.
    """
    records = store.fetch(dict.fromkeys(document.id for document in documents))
    same = [
        document.id in records and records[document.id].document.text == document.text
        for document in documents
    ]
    known = [records[each.id] for each, known in zip(documents, same, strict=True) if known]
    vectors = store.vectors(list(dict.fromkeys(id for one in known for id in one.mention_ids)))
    found = [
        _encoded(records[document.id], vectors, encoder.dim) if known else None
        for document, known in zip(documents, same, strict=True)
    ]
    missing = [document.text for document, one in zip(documents, found, strict=True) if one is None]
    fresh = iter(encoder.encode(missing) if missing else [])
    return [next(fresh) if one is None else one for one in found]


def _encoded(
    record: StoredDocument, vectors: dict[str, NDArray[np.float32]], dim: int
) -> EncodedText | None:
    """A stored document's mentions and vectors; None if it is being replaced this very moment."""
    rows = [vectors[each] for each in record.mention_ids if each in vectors]
    if len(rows) < len(record.spans):
        return None
    text = record.document.text
    mentions = [Mention(text[slice(*span)], *span) for span in record.spans]
    return EncodedText(mentions, np.asarray(rows, dtype=np.float32).reshape(len(rows), dim))
