"""What has been judged of types, fitted and at hand for every search."""

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

_OF_A_WRONG_DOCUMENT = 8  # mentions that are judged wrong with it, at most


class JudgedTypes:
    """What has been judged, fitted once for every revision of an index.

    Args:
        store: What keeps the judgements.
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._revision: str | None = None
        self._known: dict[str, JudgedType] = {}

    def of(self, revision: str | None, description: str) -> Judged | None:
        """What counts in the judgements for a description; None where there are none.

        Args:
            revision: The index's, which changes with every judgement.
            description: As it is searched for.
        """
        with self._lock:
            if self._revision is None or revision != self._revision:
                self._known = fitted(self._store.judgements())
                self._revision = revision
            known = self._known.get(as_judged(description))
        return None if known is None else known.log_odds


def fitted(judgements: Iterable[StoredJudgement]) -> dict[str, JudgedType]:
    """The types that have judgements, fitted to them."""
    of_type: defaultdict[str, list[StoredJudgement]] = defaultdict(list)
    for each in judgements:
        of_type[each.type].append(each)
    return {
        kind: JudgedType.fit(
            Judgements(
                np.stack([each.vector for each in some]),
                np.array([each.log_odds for each in some], dtype=np.float32),
                np.array([each.right for each in some], dtype=np.bool_),
                np.array([each.telling for each in some], dtype=np.bool_),
            )
        )
        for kind, some in of_type.items()
    }


def as_judged(description: str) -> str:
    """What a description's judgements are kept under: case and spaces aside."""
    return " ".join(require_text(description, "description").lower().split())


def mentions_judged(
    table: MentionTable, log_odds: NDArray[np.floating], document: int, right: bool
) -> list[int]:
    """The mentions that the judgement of a document is of: the best, or of a wrong one all.

    The first is the best, the one that says something of others.

    Args:
        table: The mentions.
        log_odds: float ``(mentions,)``, for the type.
        document: The number of the document.
        right: Whether it is right; then its best mention alone is.
    """
    places = table.mentions_of(document)
    order = np.argsort(-log_odds[places], kind="stable")
    return [places.start + int(n) for n in order[: 1 if right else _OF_A_WRONG_DOCUMENT]]
