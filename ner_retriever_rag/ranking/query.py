"""The input of ranking, and the interface of its stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.log_odds import LogOddsScale
from ner_retriever_rag.schema import Candidates, WordFeatures

LogOdds = NDArray[np.floating]  # float32 or float64 (candidates,)
# Takes numbers of candidates, int64 (m,); returns the pair model's logits, float (m,), or NaN.
Reranker = Callable[[NDArray[np.intp]], NDArray[np.floating]]
# Takes vectors, float32 (m, dim), and log odds, float (m,); returns log odds, float (m,).
Judged = Callable[[NDArray[np.float32], LogOdds], LogOdds]


class Wanted(NamedTuple):
    """The candidates that need exact log odds, if not all do.

    Attributes:
        mask: bool ``(n,)``, the candidates that may be returned.
        limit: Number of best candidates among these that need exact log odds.
    """

    mask: NDArray[np.bool_]
    limit: int


@dataclass(frozen=True, slots=True, eq=False)
class TypeQuery:
    """One type, compared with candidates.

    Attributes:
        vector: float32 ``(dim,)``, the encoded type, L2-normalized.
        similarities: float32 ``(n,)``, the candidates' similarities to it.
        scale: Converts similarities to log odds, and log odds to scores.
        words: Lexical features of the candidates; None if the type is given by examples alone.
        wanted: Which candidates need exact log odds; None for all.
        named: Whether names are wanted, not common nouns; None to decide from the best candidates.
        rerank: Computes the pair model's logits of some candidates; None without such a model.
        rerank_top: Maximum number of candidates to rerank.
        judged: Applies the user's judgments of the type; None if there are none.
        stage_inputs: The input of each stage that was run, by its class; filled in by ``rank``.
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
    stage_inputs: dict[type, LogOdds] = field(default_factory=dict)


class Stage(Protocol):
    """One step of ranking: the query, the candidates and their log odds in, log odds out."""

    @property
    def sharpens(self) -> bool:
        """Whether it uses other candidates as evidence, which ``sharpen=False`` disables."""

    @property
    def needs_calibration(self) -> bool:
        """Whether it is skipped if log odds are not those of a probability."""

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """Compute new log odds, float ``(n,)``, without modifying those given.

        Args:
            query: The type.
            candidates: One or more candidates.
            log_odds: float ``(n,)``, their log odds so far.
        """
