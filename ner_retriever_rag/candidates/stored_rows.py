"""Convert mentions' ranking features to and from the metadata of their rows on a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable, offsets_of, random_priorities
from ner_retriever_rag.encoder.names import name_hashes
from ner_retriever_rag.queries.description_names import names_nearby
from ner_retriever_rag.queries.repetition import last_word
from ner_retriever_rag.queries.scoring import is_cased
from ner_retriever_rag.schema import BackgroundSample, Document, Span
from ner_retriever_rag.storage.mention_rows import LEVEL, MentionRows, level_of
from ner_retriever_rag.storage.records import RowKey

NAME = "ner:name"  # hash of the name; signed, as Chroma's integers are
NEARBY = "ner:nearby"  # two 64-bit numbers in hexadecimal digits, then one of the two flags below
_CASED, _PLAIN = "A", "a"  # whether the document uses capitals


def describe(document: Document, spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Return the metadata stored with each mention of a document, besides words, vector and span.

    Args:
        document: The document.
        spans: Its mentions.
    """
    names = name_hashes(document.text[start:end] for start, end in spans).astype(np.int64)
    nearby = names_nearby(document.text, spans)
    priorities = random_priorities([(document.id, span) for span in spans])
    cased = _CASED if is_cased(document.text) else _PLAIN
    described = []
    for name, (high, low), priority in zip(
        names.tolist(), nearby.tolist(), priorities.tolist(), strict=True
    ):
        features: dict[str, Any] = {NAME: name, NEARBY: f"{high:016x}{low:016x}{cased}"}
        if level := level_of(priority):  # half of the mentions have level 0, which is not stored
            features[LEVEL] = level
        described.append(features)
    return described


def table_of_rows(
    rows: MentionRows, sample: BackgroundSample, dim: int, keys: Sequence[RowKey] | None = None
) -> MentionTable:
    """Build a table from the rows of mentions that a server returned.

    Args:
        rows: The mentions, without duplicates, from one version of each document.
        sample: Background sample of all mentions.
        dim: Width of the vectors.
        keys: The parsed row ids, if they have been parsed already.
    """
    keys = keys or [RowKey.parse(each) for each in rows.ids]
    order = sorted(range(len(keys)), key=lambda n: (keys[n].doc_id, keys[n].spans))
    doc_ids = list(dict.fromkeys(keys[n].doc_id for n in order))
    of_document = {keys[n].doc_id: n for n in order}
    number = {doc_id: row for row, doc_id in enumerate(doc_ids)}
    owner = np.array([number[keys[n].doc_id] for n in order], dtype=np.int64)
    spans = [keys[n].spans[0] for n in order]
    words = [rows.words[n] for n in order]
    nearby = [str(rows.metadata[n][NEARBY]) for n in order]
    encoded = [each.encode() for each in words]
    return MentionTable(
        doc_ids,
        [keys[of_document[each]].version for each in doc_ids],
        np.array([str(rows.metadata[of_document[each]][NEARBY])[-1] == _CASED for each in doc_ids]),
        np.append(0, np.cumsum(np.bincount(owner, minlength=len(doc_ids)))).astype(np.int64),
        np.array([start for start, _ in spans], dtype=np.int32),
        np.array([end for _, end in spans], dtype=np.int32),
        np.array([last_word(each) for each in words], dtype=np.uint32),
        np.array([rows.metadata[n][NAME] for n in order], dtype=np.int64).astype(np.uint64),
        _nearby(nearby),
        random_priorities([(keys[n].doc_id, span) for n, span in zip(order, spans, strict=True)]),
        np.frombuffer(b"".join(encoded), dtype=np.uint8),
        offsets_of([len(each) for each in encoded]),
        rows.vectors[order] if order else np.zeros((0, dim), dtype=np.float32),
        sample=sample,
    )


def _nearby(written: Sequence[str]) -> NDArray[np.uint64]:
    halves = [(int(each[:16], 16), int(each[16:32], 16)) for each in written]
    return np.array(halves, dtype=np.uint64).reshape(-1, 2)
