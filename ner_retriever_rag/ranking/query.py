"""What ranking is given, and what a stage of it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.log_odds import LogOddsScale
from ner_retriever_rag.schema import Candidates, WordFeatures

LogOdds = NDArray[np.floating]  # float32 or float64 (candidates,)
# Takes numbers of candidates, int64 (m,), and gives the pair model's logits, float (m,).
Reranker = Callable[[NDArray[np.intp]], NDArray[np.floating]]
# Takes vectors, float32 (m, dim), and log odds, float (m,); gives log odds, float (m,).
Judged = Callable[[NDArray[np.float32], LogOdds], LogOdds]


class Wanted(NamedTuple):
    """Which candidates have to be right where not all have to be.

    Attributes:
        mask: bool ``(n,)``, those that may be returned.
        most: So many of these, the best.
    """

    mask: NDArray[np.bool_]
    most: int


@dataclass(frozen=True, slots=True, eq=False)
class TypeQuery:
    """One type, compared with candidates.

    Attributes:
        vector: float32 ``(dim,)``, the encoded type, L2-normalised.
        similarities: float32 ``(n,)``, the candidates' to it.
        scale: Makes log odds of similarities, and scores of log odds.
        words: What candidates' words say; None where the type is given by examples alone.
        wanted: Which candidates have to be right; None for all.
        named: Whether names are wanted, not common nouns; None to tell by the best candidates.
        rerank: The pair model's logits of some candidates; None without such a model.
        rerank_top: How many candidates it judges at most.
        judged: Counts in what a user has judged of the type; None where there are no judgements.
        before: What each stage that ran was given, by its class; filled in by ``rank``.
    """

    vector: NDArray[np.float32]
    similarities: NDArray[np.float32]
    scale: LogOddsScale
    words: WordFeatures | None = None
    wanted: Wanted | None = None
    named: bool | None = None
    rerank: Reranker | None = None
    rerank_top: int = 0
    judged: Judged | None = None
    before: dict[type, LogOdds] = field(default_factory=dict)


class Stage(Protocol):
    """One step of ranking: the query, the candidates and their log odds in, log odds out."""

    @property
    def sharpens(self) -> bool:
        """Whether it uses other candidates, which ``sharpen=False`` switches off."""

    @property
    def needs_calibration(self) -> bool:
        """Whether it is left out where log odds are not those of a probability."""

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """New log odds, float ``(n,)``; those given stay as they are.

        Args:
            query: The type.
            candidates: One or more.
            log_odds: float ``(n,)``, theirs so far.
        """
