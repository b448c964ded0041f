"""What documents were encoded to, from the index where it holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ner_retriever_rag.index.collection import batches
from ner_retriever_rag.index.records import VERSION, StoredDocument
from ner_retriever_rag.schema import Document, EncodedText, Mention

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.index.store import Store

_VERSIONS = 500  # asked for at once


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
    stored = stored_encodings(store, records, encoder.dim)
    known = [
        stored.get(each.id) if each.id in records and records[each.id].document.text == each.text
        else None
        for each in documents
    ]  # fmt: skip
    missing = [each.text for each, one in zip(documents, known, strict=True) if one is None]
    fresh = iter(encoder.encode(missing) if missing else [])
    return [next(fresh) if one is None else one for one in known]


def by_version(store: Store, versions: Iterable[str]) -> dict[str, StoredDocument]:
    """Documents by their versions, where one has it, whatever their ids."""
    found: dict[str, StoredDocument] = {}
    for some in batches(versions, _VERSIONS):
        doc_ids = store.document_ids({VERSION: {"$in": some}})
        found.update((each.version, each) for each in store.fetch(doc_ids).values())
    return found


def stored_encodings(
    store: Store, records: Mapping[str, StoredDocument], dim: int
) -> dict[str, EncodedText]:
    """The mentions and vectors of documents as they are stored, under the keys of ``records``.

    One that has not all of its vectors is left out.

    Args:
        store: Where to look.
        records: The documents.
        dim: Width of the vectors.
    """
    different = {one.document.id: one for one in records.values()}  # under two keys may be one
    vectors = store.vectors(different.values(), dim)
    texts = store.texts.vectors(list(different))
    encoded = {}
    for key, one in records.items():
        if one.document.id in vectors and one.document.id in texts:
            text = texts[one.document.id]
            encoded[key] = EncodedText(
                [Mention(one.document.text[a:b], a, b) for a, b in one.spans],
                vectors[one.document.id],
                text if len(text) > 1 else None,  # 1: the placeholder of a cut backbone
            )
    return encoded
