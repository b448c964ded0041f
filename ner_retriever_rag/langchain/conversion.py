"""Between LangChain's documents and the package's own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from langchain_core.documents import Document

from ner_retriever_rag.schema import Document as IndexedDocument
from ner_retriever_rag.schema import DocumentMatch


def match_to_langchain(match: DocumentMatch, *, with_type: bool = False) -> Document:
    """A document match as a LangChain document, its matches in the metadata.

    Args:
        match: The match.
        with_type: Label each match with its type.
    """
    metadata = {
        **match.metadata,
        "doc_id": match.doc_id,
        "score": match.score,
        "matches": [each.as_row(with_type=with_type) for each in match.matches],
    }
    return Document(page_content=match.text, id=match.doc_id, metadata=metadata)


def to_langchain(document: IndexedDocument) -> Document:
    """A document as it was added."""
    metadata = dict(document.metadata)
    return Document(page_content=document.text, id=document.id, metadata=metadata)


def to_indexed(document: Document) -> IndexedDocument:
    """A LangChain document as one to index.

    Raises:
        TypeError: If it is none.
        ValueError: If it has no text.
    """
    if not isinstance(document, Document):
        raise TypeError(f"documents must be LangChain documents, not {type(document).__name__}")
    doc_id = document.id
    if doc_id is None:
        # Chunks may repeat a text under other metadata, so both make the id.
        content = json.dumps(
            [document.page_content, document.metadata], sort_keys=True, default=str
        )
        doc_id = sha256(content.encode()).hexdigest()[:32]
    return IndexedDocument(document.page_content, doc_id, document.metadata)


def without_copies(documents: Iterable[IndexedDocument]) -> list[IndexedDocument]:
    """Leave out documents that stand there twice, word for word."""
    first: dict[str, IndexedDocument] = {}
    return [
        each
        for each in documents
        if first.setdefault(each.id, each) is each or first[each.id] != each
    ]
