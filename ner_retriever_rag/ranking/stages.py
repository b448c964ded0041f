"""The ranking pipeline: from candidates' similarities to log odds, stage by stage.

Similarities are converted to log odds once, at the start, and callers convert log odds to scores
once, at the end. An ablation is an edit of ``STAGES``. All constants of ranking are defined here:
log odds are natural logarithms, cosines are of unit vectors, counts are of candidates.
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

# Word evidence. Chosen with benchmarks/top_answers.py and fewnerd-dev; for texts without capitals,
# on the seven domain sets used for selection and samples of 40 texts.
REPETITION = -3.0  # log odds; "[Saturn]" for "moon of Saturn", "[the volcanoes]" for "volcano"
UNCASED_REPETITION = -1.5  # log odds
NEARBY_NAMES = 1.66  # log odds; e.g. the country next to a band (benchmarks/results/training.md)

# Kernel smoothing. Chosen on fewnerd-dev, four sets from other fields and seven domain sets.
BANDWIDTH = 0.15  # cosine
SELF_WEIGHT = 0.5  # share of log odds; at 1, types that do not occur score high
NEIGHBORS = 500  # best candidates
DROP = 2.0  # log odds, for candidates after the neighbors
BACKGROUND_WEIGHT = 0.3  # relative to a neighbor's 1
RANK_CUTOFF = 10_000  # rank; bounds the cost

# Names before common nouns. Chosen on fewnerd-dev and the seven domain sets used for selection,
# leaving one out in turn.
COMMON_NOUN = -3.0  # log odds

# Platt scaling. Fitted on fewnerd-dev, four boundary sets and fourteen domain sets, large, small
# and sampled, including types that no text mentions (benchmarks/fit_scaling.py).
SLOPE, PER_BREADTH, OFFSET = 0.152, 18.4, -2.44  # per unit of gain; log odds per cosine; log odds

# Reranking. Chosen with benchmarks/fit_reranking.py, with 150 mentions reranked.
LOGIT_WEIGHT = 0.35  # share

STAGES: tuple[Stage, ...] = (
    WordEvidence(REPETITION, UNCASED_REPETITION, NEARBY_NAMES),
    NeighborSmoothing(
        bandwidth=BANDWIDTH,
        self_weight=SELF_WEIGHT,
        neighbors=NEIGHBORS,
        drop=DROP,
        background_weight=BACKGROUND_WEIGHT,
        cutoff=RANK_CUTOFF,
    ),
    NamesFirst(COMMON_NOUN, NEIGHBORS),
    PlattScaling(slope=SLOPE, per_breadth=PER_BREADTH, offset=OFFSET),
    Rerank(LOGIT_WEIGHT),
    JudgedEvidence(),
)


def rank(
    query: TypeQuery,
    candidates: Candidates,
    *,
    sharpen: bool = True,
    stages: Sequence[Stage] | None = None,
) -> LogOdds:
    """Compute the log odds of candidates by running all stages.

    Args:
        query: The type, compared with the candidates.
        candidates: The candidates.
        sharpen: Whether to run stages that use other candidates as evidence.
        stages: The stages, in order; None for ``STAGES``. Stages that need a calibration are
            skipped if there is none, and all stages if the encoder computes its own score.

    Returns:
        float ``(n,)``; ``query.scale.score`` converts them to scores.
    """
    log_odds: LogOdds = query.scale.log_odds(query.similarities)
    if not len(log_odds) or query.scale.complete:
        return log_odds
    for stage in STAGES if stages is None else stages:
        if (sharpen or not stage.sharpens) and (
            query.scale.calibrated or not stage.needs_calibration
        ):
            query.stage_inputs[type(stage)] = log_odds
            log_odds = stage(query, candidates, log_odds)
    return log_odds
