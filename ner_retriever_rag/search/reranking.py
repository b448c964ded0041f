"""Reranking with the pair model, over the documents of an index or other texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.labels import spelled_out
from ner_retriever_rag.reading.passage import Passage
from ner_retriever_rag.reading.view import readable
from ner_retriever_rag.search.mention_scores import Rerank

if TYPE_CHECKING:
    from ner_retriever_rag.candidates.mention_table import MentionTable
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

_CONTEXT = 600  # characters on each side of a mention that are converted to the readable view


def reranker(
    encoder: TypeAwareEncoder, texts_of: Callable[[Sequence[str]], Mapping[str, str]]
) -> Rerank | None:
    """Make a function that scores mentions in their documents' texts; None without a pair model.

    Args:
        encoder: The encoder with the pair model.
        texts_of: Gives the texts of documents by id, without deleted documents.
    """
    judge = encoder.judge
    if judge is None:
        return None

    def logits(
        description: str, table: MentionTable, mentions: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        doc_ids = [table.doc_ids[row] for row in table.owner[mentions]]
        texts = texts_of(list(dict.fromkeys(doc_ids)))
        spans = [table.span(n) for n in mentions.tolist()]
        there = [n for n, doc_id in enumerate(doc_ids) if spans[n][1] <= len(texts.get(doc_id, ""))]
        found = np.full(len(mentions), np.nan)  # deleted documents are not returned anyway
        passages = [passage_of(texts[doc_ids[n]], *spans[n]) for n in there]
        found[there] = judge.logits(spelled_out(description), passages)
        return found

    return logits


def passage_of(text: str, start: int, end: int) -> Passage:
    """The passage around a mention, in the readable view, as input of the pair model."""
    first = max(0, start - _CONTEXT)
    view = readable(text[first : end + _CONTEXT])
    span = view.to_view(start - first, end - first)
    return Passage.around(view.text, *span)
