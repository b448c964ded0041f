"""Matching of documents outside an index, with the results that a search over them would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.candidates.mention_table import table_of
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder, default_encoder
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD, reranked_mentions
from ner_retriever_rag.queries.query import Query, check_query
from ner_retriever_rag.schema import Document, DocumentMatch, EncodedText
from ner_retriever_rag.search.mention_scores import JudgedOf, compare, scored_query_on_table
from ner_retriever_rag.search.reranking import reranker

if TYPE_CHECKING:
    from ner_retriever_rag.index.entity_index import EntityIndex


def filter_by_type(
    documents: Sequence[Document],
    query: Query,
    *,
    index: EntityIndex | None = None,
    encoder: TypeAwareEncoder | None = None,
    threshold: float | None = None,
    top_n: int | None = None,
    rerank: int | None = None,
) -> list[tuple[int, DocumentMatch]]:
    """Keep the documents that mention a type; shared by the filters and postprocessors.

    Args:
        documents: Documents found by another retriever.
        query: The type, or a combination of types.
        index: An index that may hold some of them; for documents with the same id and text, it
            supplies the mentions instead of detecting and encoding them again.
        encoder: Detects and encodes mentions; None for the index's, or the shipped one.
        threshold: Minimum score of a document, and of a listed mention; None for no minimum, and
            0.2 for mentions.
        top_n: Maximum number of documents, best first; None for all, in the order given.
        rerank: Number of top mentions that the pair model reranks; None as in a search for as
            many documents.

    Returns:
        The documents kept, each with its position among those given.
    """
    matches = match_documents(
        index.encoder if index else encoder or default_encoder(),
        documents,
        check_query(query),
        DEFAULT_THRESHOLD if threshold is None else threshold,
        index.encoded(documents) if index else None,
        judged=index._search.judgements_of if index else None,
        rerank=rerank,
    )
    kept = [each for each in enumerate(matches) if each[1].score >= (threshold or 0.0)]
    if top_n is None:
        return kept
    return sorted(kept, key=lambda each: -each[1].score)[:top_n]


def check_entity_type(value: Any) -> Any:
    """Validate a component's field ``entity_type``: a query, or None.

    Raises:
        ValueError: If it is something else; pydantic does not report a TypeError.
    """
    try:
        return None if value is None else check_query(value, "entity_type")
    except TypeError as error:
        raise ValueError(str(error)) from error


def check_one_encoder(index: EntityIndex | None, encoder: TypeAwareEncoder | None) -> None:
    """Check that a component was not given both an index and an encoder.

    Raises:
        ValueError: If it was.
    """
    if index is not None and encoder is not None:
        raise ValueError("give index or encoder, not both: an index has its own encoder")


def match_documents(
    encoder: TypeAwareEncoder,
    documents: Sequence[Document],
    query: Query,
    threshold: float = DEFAULT_THRESHOLD,
    encoded: Sequence[EncodedText] | None = None,
    *,
    sharpen: bool = True,
    judged: JudgedOf | None = None,
    rerank: int | None = None,
) -> list[DocumentMatch]:
    """Match documents as a search would in an index of just these documents.

    Args:
        encoder: Detects and encodes their mentions.
        documents: The documents.
        query: The type, or a combination of types.
        threshold: Minimum score of a listed mention; the best one is always listed.
        encoded: Their mentions and vectors, if known; None encodes them.
        sharpen: As in ``EntityIndex.search``.
        judged: Gives the judgments of a type by its description; None for no judgments.
        rerank: As in ``filter_by_type``.

    Returns:
        One match per document, in order, however low its score.
    """
    if encoded is None:
        encoded = encoder.encode([document.text for document in documents])
    table, rows = table_of(documents, encoded, encoder.dim)
    scored = scored_query_on_table(table, query, encoder)
    texts = {document.id: document.text for document in documents}
    second = reranker(encoder, lambda _: texts)
    top = reranked_mentions(rerank, len(documents))
    compared = compare(table, scored, sharpen=sharpen, rerank=second, rerank_top=top, judged=judged)
    matches = []
    for document, row in zip(documents, rows, strict=True):
        places = table.mentions_of(row)
        matches.append(
            scored.document_match(
                document,
                [table.span(n) for n in range(places.start, places.stop)],
                compared.cosines[:, places],
                compared.log_odds[:, places],
                threshold,
            )
        )
    return matches
