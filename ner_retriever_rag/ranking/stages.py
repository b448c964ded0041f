"""Ranking: from candidates' similarities to log odds, stage by stage.

A similarity becomes log odds once, here at the beginning; a door makes a score of them once, at the
end. An ablation is an edit of ``STAGES``, and all constants of ranking stand here: log odds are
natural logarithms, cosines are of unit vectors, counts are of candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

from ner_retriever_rag.ranking.judged import JudgedEvidence
from ner_retriever_rag.ranking.query import LogOdds, Stage, TypeQuery
from ner_retriever_rag.ranking.rerank import Rerank
from ner_retriever_rag.ranking.scaling import PlattScaling
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing
from ner_retriever_rag.ranking.words import NamesFirst, WordEvidence
from ner_retriever_rag.schema import Candidates

# Words. Chosen by benchmarks/top_answers.py and fewnerd-dev; of texts without capitals on the seven
# choosing sets and draws of 40 texts.
REPETITION = -3.0  # log odds; "[Saturn]" for "moon of Saturn", "[the volcanoes]" for "volcano"
UNCASED_REPETITION = -1.5  # log odds
NEARBY_NAMES = 1.66  # log odds; of a country beside the band (benchmarks/results/training.md)

# Kernel smoothing. Chosen on fewnerd-dev, four sets of other fields and seven domain sets.
BANDWIDTH = 0.15  # cosine
OWN_PART = 0.5  # share of log odds; with all of them absent types score high
NEIGHBORS = 500  # the best candidates
DROP = 2.0  # log odds, of what comes after these
BACKGROUND_WEIGHT = 0.3  # of a neighbour's 1
RANK_CUTOFF = 10_000  # rank; bounds the cost

# Names before common nouns. Chosen on fewnerd-dev and the seven choosing sets, left out in turn.
COMMON_NOUN = -3.0  # log odds

# Platt scaling. Fitted on fewnerd-dev, four boundary sets and fourteen domain sets, large and small
# and in draws, with types that nothing is of (benchmarks/fit_scaling.py).
SLOPE, PER_BREADTH, OFFSET = 0.152, 18.4, -2.44  # per gain; log odds a unit of cosine; log odds

# Reranking. Fitted by benchmarks/fit_reranking.py, 150 mentions judged.
OWN, JUDGED = 0.77, 0.59  # weights

STAGES: tuple[Stage, ...] = (
    WordEvidence(REPETITION, UNCASED_REPETITION, NEARBY_NAMES),
    NeighborSmoothing(
        bandwidth=BANDWIDTH,
        own_part=OWN_PART,
        neighbors=NEIGHBORS,
        drop=DROP,
        background_weight=BACKGROUND_WEIGHT,
        cutoff=RANK_CUTOFF,
    ),
    NamesFirst(COMMON_NOUN, NEIGHBORS),
    PlattScaling(slope=SLOPE, per_breadth=PER_BREADTH, offset=OFFSET),
    Rerank(own=OWN, judged=JUDGED),
    JudgedEvidence(),
)


def rank(
    query: TypeQuery,
    candidates: Candidates,
    *,
    sharpen: bool = True,
    stages: Sequence[Stage] | None = None,
) -> LogOdds:
    """The log odds of candidates, after all stages.

    Args:
        query: The type, compared with them.
        candidates: The candidates.
        sharpen: Whether candidates say something of one another.
        stages: In their order; None for ``STAGES``. Those that need a calibration are left out
            where there is none, and all of them where the encoder has a score of its own.

    Returns:
        float ``(n,)``; ``query.scale.score`` makes scores of them.
    """
    log_odds: LogOdds = query.scale.log_odds(query.similarities)
    if not len(log_odds) or query.scale.complete:
        return log_odds
    for stage in STAGES if stages is None else stages:
        if (sharpen or not stage.sharpens) and (
            query.scale.calibrated or not stage.needs_calibration
        ):
            query.before[type(stage)] = log_odds
            log_odds = stage(query, candidates, log_odds)
    return log_odds
