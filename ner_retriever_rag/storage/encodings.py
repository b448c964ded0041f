"""Read the stored mentions and vectors of documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ner_retriever_rag.schema import EncodedText, Mention
from ner_retriever_rag.storage.records import StoredDocument

if TYPE_CHECKING:
    from ner_retriever_rag.storage.protocol import DocumentStore


def stored_encodings(
    store: DocumentStore, records: Mapping[str, StoredDocument], dim: int
) -> dict[str, EncodedText]:
    """Return the stored mentions and vectors of documents, under the keys of ``records``.

    A document with vectors missing is left out.

    Args:
        store: The store to read from.
        records: The documents.
        dim: Width of the vectors.
    """
    different = {one.document.id: one for one in records.values()}  # two keys may share one
    vectors = store.vectors(different.values(), dim)
    texts = store.texts.vectors(list(different))
    encoded = {}
    for key, one in records.items():
        if one.document.id in vectors and one.document.id in texts:
            text = texts[one.document.id]
            encoded[key] = EncodedText(
                [Mention(one.document.text[a:b], a, b) for a, b in one.spans],
                vectors[one.document.id],
                text if len(text) > 1 else None,  # 1: the placeholder of a truncated backbone
            )
    return encoded
