"""Users' relevance judgments: a third collection, created with the first judgment.

A judged mention is a record with its vector, which remains when its document is changed or deleted.
Each record is written atomically by itself, so no journal has to name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ner_retriever_rag.storage.collection import batches
from ner_retriever_rag.storage.records import StoredJudgement
from ner_retriever_rag.storage.roles import JUDGEMENTS, JUDGEMENTS_SUFFIX
from ner_retriever_rag.storage.side_rows import SideRows

if TYPE_CHECKING:
    from ner_retriever_rag.storage.place import Place

_TYPE, _DOCUMENT, _START, _END = "type", "document", "start", "end"
_RIGHT, _INFORMATIVE, _LOG_ODDS = "right", "telling", "log_odds"


class JudgementRows:
    """The judgments of an index.

    Args:
        place: Where the index is.
        name: The index's name.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._rows = SideRows(place, f"{name}{JUDGEMENTS_SUFFIX}", JUDGEMENTS)

    def all(self) -> list[StoredJudgement]:
        """Return all judgments."""
        if (rows := self._rows.get()) is None:
            return []
        return [
            StoredJudgement(
                str(metadata[_TYPE]),
                str(metadata[_DOCUMENT]),
                (int(metadata[_START]), int(metadata[_END])),
                bool(metadata[_RIGHT]),
                bool(metadata[_INFORMATIVE]),
                float(metadata[_LOG_ODDS]),
                np.asarray(vector, dtype=np.float32),
            )
            for ids in batches(rows.ids(), rows.batch)
            for found in [rows.get(ids, ["metadatas", "embeddings"])]
            for metadata, vector in zip(found["metadatas"], found["embeddings"], strict=True)
        ]

    def put(self, judgements: Sequence[StoredJudgement]) -> None:
        """Write judgments, replacing those of the same mentions and types.

        Raises:
            ValueError: If something else has the collection's name.
        """
        self._rows.get_or_create().upsert(
            ids=[each.id for each in judgements],
            embeddings=[each.vector for each in judgements],
            metadatas=[_metadata(each) for each in judgements],
        )

    def drop(self, judgements: Iterable[StoredJudgement]) -> None:
        """Delete judgments."""
        if (rows := self._rows.get()) is not None:
            rows.delete(each.id for each in judgements)


def _metadata(judgement: StoredJudgement) -> dict[str, Any]:
    return {
        _TYPE: judgement.type,
        _DOCUMENT: judgement.doc_id,
        _START: judgement.span[0],
        _END: judgement.span[1],
        _RIGHT: judgement.right,
        _INFORMATIVE: judgement.informative,
        _LOG_ODDS: judgement.log_odds,
    }
