"""Judgments of types, fitted and cached for every search."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.ranking.judged import JudgedType, Judgements
from ner_retriever_rag.ranking.query import Judged
from ner_retriever_rag.schema import require_text
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.records import StoredJudgement

_MAX_WRONG_MENTIONS = 8  # most mentions judged wrong along with their document


class JudgedTypes:
    """The judgments of an index, fitted once per revision.

    Args:
        store: Stores the judgments.
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._revision: str | None = None
        self._known: dict[str, JudgedType] = {}

    def of(self, revision: str | None, description: str) -> Judged | None:
        """The fitted judgments for a description; None if there are none.

        Args:
            revision: Revision of the index, which changes with every judgment.
            description: The type description, as used in searches.
        """
        with self._lock:
            if self._revision is None or revision != self._revision:
                self._known = fit_types(self._store.judgements())
                self._revision = revision
            known = self._known.get(judgement_key(description))
        return None if known is None else known.log_odds


def fit_types(judgements: Iterable[StoredJudgement]) -> dict[str, JudgedType]:
    """Fit the types that have judgments."""
    of_type: defaultdict[str, list[StoredJudgement]] = defaultdict(list)
    for each in judgements:
        of_type[each.type].append(each)
    return {
        kind: JudgedType.fit(
            Judgements(
                np.stack([each.vector for each in some]),
                np.array([each.log_odds for each in some], dtype=np.float32),
                np.array([each.right for each in some], dtype=np.bool_),
                np.array([each.informative for each in some], dtype=np.bool_),
            )
        )
        for kind, some in of_type.items()
    }


def judgement_key(description: str) -> str:
    """The key of a description's judgments: lowercase, with whitespace normalized."""
    return " ".join(require_text(description, "description").lower().split())


def judged_mentions(
    table: MentionTable, log_odds: NDArray[np.floating], document: int, right: bool
) -> list[int]:
    """The mentions that the judgment of a document applies to: its best, or if wrong, the top 8.

    The first is the best, the only one that is evidence about other mentions.

    Args:
        table: The mentions.
        log_odds: float ``(mentions,)``, for the type.
        document: The number of the document.
        right: Whether it is right, which then holds for its best mention only.
    """
    places = table.mentions_of(document)
    order = np.argsort(-log_odds[places], kind="stable")
    return [places.start + int(n) for n in order[: 1 if right else _MAX_WRONG_MENTIONS]]
