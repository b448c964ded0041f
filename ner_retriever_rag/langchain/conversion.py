"""Conversion between LangChain's documents and the package's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.documents import Document

from ner_retriever_rag.index.interop import from_langchain
from ner_retriever_rag.schema import Document as IndexedDocument
from ner_retriever_rag.schema import DocumentMatch, type_name

_log = logging.getLogger(__name__)

RESULT_KEYS = ("doc_id", "score", "matches")
_MATCH_KEYS = {"text", "start", "end", "score"}


def match_to_langchain(match: DocumentMatch, prefix: str, *, with_type: bool = False) -> Document:
    """Convert a document match to a LangChain document with the matches in its metadata.

    Args:
        match: The match.
        prefix: Prefix of the keys ``doc_id``, ``score`` and ``matches``.
        with_type: Label each match with its type.

    Raises:
        ValueError: If the document already has metadata under one of the keys.
    """
    check_keys(match.metadata, match.doc_id, prefix)
    rows = [each.as_row(with_type=with_type) for each in match.matches]
    values = (match.doc_id, match.score, rows)
    result = {f"{prefix}{key}": value for key, value in zip(RESULT_KEYS, values, strict=True)}
    metadata = {**match.metadata, **result}
    return Document(page_content=match.text, id=match.doc_id, metadata=metadata)


def to_langchain(document: IndexedDocument) -> Document:
    """Convert a document of the index back to the LangChain document that was added."""
    metadata = dict(document.metadata)
    return Document(page_content=document.text, id=document.id, metadata=metadata)


def to_indexed_documents(documents: Iterable[Document], prefix: str) -> list[IndexedDocument]:
    """Convert LangChain documents to documents to index; blank ones are skipped and logged.

    Args:
        documents: The documents.
        prefix: Prefix of the metadata keys of results.

    Raises:
        TypeError: If ``documents`` is a single document or a string, or an element is not a
            document.
        ValueError: If a document has metadata that its results would overwrite.
    """
    if isinstance(documents, str | Document) or not isinstance(documents, Iterable):
        raise TypeError(f"documents must be a list of documents, not one {type_name(documents)}")
    indexed = []
    for number, document in enumerate(documents):
        if not isinstance(document, Document):
            raise TypeError(
                f"documents[{number}] must be a langchain_core.documents.Document, "
                f"not a {type_name(document)}"
            )
        if not document.page_content.strip():
            _log.warning("documents[%d] has no text and is skipped: %s", number, document.metadata)
            continue
        indexed.append(from_langchain(document))
        check_keys(document.metadata, indexed[-1].id, prefix)
    return indexed


def check_keys(metadata: Mapping[str, Any], doc_id: str, prefix: str) -> None:
    """Check that a result would overwrite nothing but an earlier result.

    Raises:
        ValueError: If it would overwrite other metadata; the message names document and key.
    """
    if _is_result(metadata, doc_id, prefix):
        return
    for key in RESULT_KEYS:
        if f"{prefix}{key}" in metadata and not (
            key == "doc_id" and metadata[f"{prefix}doc_id"] == doc_id
        ):
            raise ValueError(
                f"document {doc_id!r} has metadata of its own under {prefix + key!r}, which is "
                "needed for results: give the retriever another metadata_prefix, such as 'ner_'"
            )


def merge_results(documents: Iterable[Document], *, metadata_prefix: str = "") -> list[Document]:
    """Merge the results of several searches into one list, each document once, best first.

    A document found by several searches gets the matches of all of them, and the best score. Use
    it after anything that calls a retriever several times, such as ``MultiQueryRetriever``:
    ``MultiQueryRetriever(...) | merge_results``.

    Args:
        documents: Results of ``NERTypeRetriever`` or ``EntityTypeFilter``.
        metadata_prefix: The retriever's ``metadata_prefix``.

    Raises:
        ValueError: If a document is not such a result.
    """
    doc_id, score, matches = (f"{metadata_prefix}{key}" for key in RESULT_KEYS)
    merged: dict[str, Document] = {}
    for document in documents:
        metadata = document.metadata
        if not {doc_id, score, matches} <= metadata.keys():
            raise ValueError(f"document {document.id!r} has no {matches!r}: it is not a result")
        if (other := merged.get(metadata[doc_id])) is not None:
            rows = [*other.metadata[matches], *metadata[matches]]
            distinct = {json.dumps(row, sort_keys=True): row for row in rows}
            metadata = {
                **metadata,
                score: max(other.metadata[score], metadata[score]),
                matches: sorted(distinct.values(), key=lambda row: -row["score"]),
            }
        update = {"metadata": metadata}
        merged[metadata[doc_id]] = document.model_copy(update=update)
    return sorted(merged.values(), key=lambda document: -document.metadata[score])


def _is_result(metadata: Mapping[str, Any], doc_id: str, prefix: str) -> bool:
    """Whether metadata comes from an earlier search result, which a new one may replace."""
    matches = metadata.get(f"{prefix}matches")
    return (
        metadata.get(f"{prefix}doc_id") == doc_id
        and isinstance(metadata.get(f"{prefix}score"), float)
        and isinstance(matches, list)
        and all(isinstance(row, dict) and row.keys() >= _MATCH_KEYS for row in matches)
    )


def deduplicate(documents: Iterable[IndexedDocument]) -> list[IndexedDocument]:
    """Drop exact duplicates of documents."""
    first: dict[str, IndexedDocument] = {}
    return [
        each
        for each in documents
        if first.setdefault(each.id, each) is each or first[each.id] != each
    ]
