"""What a search would say of texts that are in no index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ner_retriever_rag.candidates.examples import IndexedExamples
from ner_retriever_rag.candidates.mention_table import table_of
from ner_retriever_rag.index.mention_scores import compare
from ner_retriever_rag.queries.likeness import type_vector
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.queries.scoring import ScoredQuery
from ner_retriever_rag.schema import Document, DocumentMatch, EncodedText

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder


def match_documents(
    encoder: TypeAwareEncoder,
    documents: Sequence[Document],
    query: Query,
    threshold: float = 0.5,
    encoded: Sequence[EncodedText] | None = None,
    *,
    sharpen: bool = True,
) -> list[DocumentMatch]:
    """What a search would say of documents that are in no index, had it just these.

    Args:
        encoder: Finds and encodes their mentions.
        documents: The documents.
        query: What is looked for.
        threshold: Least score of a mention that is listed; the best one is in any case.
        encoded: Their mentions and vectors, where these are known; None encodes them.
        sharpen: As in ``EntityIndex.search``.

    Returns:
        One match a document, in their order, however low its score.
    """
    if encoded is None:
        encoded = encoder.encode([document.text for document in documents])
    table, rows = table_of(documents, encoded, encoder.dim)
    examples = IndexedExamples(table)
    scored = ScoredQuery(query, encoder, lambda leaf: type_vector(leaf, encoder, examples))
    compared = compare(table, scored, sharpen=sharpen)
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
