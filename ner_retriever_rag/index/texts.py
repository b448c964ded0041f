"""What a search would say of texts that are in no index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.candidates.mention_table import table_of
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder, default_encoder
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.queries.query import Query, check_query
from ner_retriever_rag.schema import Document, DocumentMatch, EncodedText
from ner_retriever_rag.search.mention_scores import JudgedOf, compare, scored_over
from ner_retriever_rag.search.reranking import reranker

if TYPE_CHECKING:
    from ner_retriever_rag.index.entity_index import EntityIndex


def judge(
    documents: Sequence[Document],
    query: Query,
    *,
    index: EntityIndex | None = None,
    encoder: TypeAwareEncoder | None = None,
    threshold: float | None = None,
    top_n: int | None = None,
    rerank: int = 0,
) -> list[tuple[int, DocumentMatch]]:
    """Which of some documents mention a type: what filters and postprocessors share.

    Args:
        documents: What another retriever found.
        query: What is looked for.
        index: Where some of them are; by their ids, with the text they have, their mentions are
            read instead of being detected and encoded again.
        encoder: Finds and encodes mentions; None for the index's, or the shipped one.
        threshold: Least score of a document, and of a mention that is listed; None for no bound,
            and mentions from 0.2 on.
        top_n: How many at most, best first; None for all, in the order given.
        rerank: How many of the best mentions the pair model judges again.

    Returns:
        The documents kept, each with its number among those given.
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
    """A component's field ``entity_type``: a query, or None.

    Raises:
        ValueError: If it is something else; pydantic reports no TypeErrors.
    """
    try:
        return None if value is None else check_query(value, "entity_type")
    except TypeError as error:
        raise ValueError(str(error)) from error


def check_one_encoder(index: EntityIndex | None, encoder: TypeAwareEncoder | None) -> None:
    """See that a component was not given both.

    Raises:
        ValueError: If it was.
    """
    if index is not None and encoder is not None:
        raise ValueError("give index or encoder, not both: an index has its encoder")


def match_documents(
    encoder: TypeAwareEncoder,
    documents: Sequence[Document],
    query: Query,
    threshold: float = DEFAULT_THRESHOLD,
    encoded: Sequence[EncodedText] | None = None,
    *,
    sharpen: bool = True,
    judged: JudgedOf | None = None,
    rerank: int = 0,
) -> list[DocumentMatch]:
    """What a search would say of documents that are in no index, had it just these.

    Args:
        encoder: Finds and encodes their mentions.
        documents: The documents.
        query: What is looked for.
        threshold: Least score of a mention that is listed; the best one is in any case.
        encoded: Their mentions and vectors, where these are known; None encodes them.
        sharpen: As in ``EntityIndex.search``.
        judged: Knows what was judged of a type by its description; None for nothing.
        rerank: Likewise.

    Returns:
        One match a document, in their order, however low its score.
    """
    if encoded is None:
        encoded = encoder.encode([document.text for document in documents])
    table, rows = table_of(documents, encoded, encoder.dim)
    scored = scored_over(table, query, encoder)
    texts = {document.id: document.text for document in documents}
    second = reranker(encoder, lambda _: texts)
    compared = compare(
        table, scored, sharpen=sharpen, rerank=second, rerank_top=rerank, judged=judged
    )
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
