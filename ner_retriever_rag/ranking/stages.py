"""Ranking: from candidates' similarities to log odds, stage by stage.

A similarity becomes log odds once, here at the beginning; a door makes a score of them once, at the
end. An ablation is an edit of ``STAGES``, and all constants of ranking stand here: log odds are
natural logarithms, cosines are of unit vectors, counts are of candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

from ner_retriever_rag.ranking.judged import JudgedEvidence
from ner_retriever_rag.ranking.prevalence import PrevalenceShift
from ner_retriever_rag.ranking.query import LogOdds, Stage, TypeQuery
from ner_retriever_rag.ranking.rerank import Rerank
from ner_retriever_rag.ranking.scaling import PlattScaling
from ner_retriever_rag.ranking.smoothing import NeighborSmoothing, SameNameSmoothing
from ner_retriever_rag.ranking.words import NamesFirst, WordEvidence
from ner_retriever_rag.schema import Candidates

# Words. Chosen by benchmarks/top_answers.py and fewnerd-dev.
REPETITION = -4.97  # log odds; "[Saturn]" for "moon of Saturn", "[the volcanoes]" for "volcano"
NEARBY_NAMES = 1.66  # log odds; of a country beside the band (benchmarks/results/training.md)

# Smoothing. Chosen on fewnerd-dev, four sets of other fields, mined mentions, and by
# benchmarks/top_answers.py. Counts of candidates bound the cost.
RANK_CUTOFF = 10_000  # rank
NEIGHBORS_PER_SIDE = 4  # candidates of the same name
MIN_COSINE = 0.5  # cosine
BANDWIDTH = 0.15  # cosine
OWN_WEIGHT = 0.1  # of a neighbour's 1
OWN_PART = 0.5  # share of log odds; with all of them absent types score high
NEIGHBORS = 500  # the best candidates
DROP = 2.0  # log odds, of what comes after these
BACKGROUND_WEIGHT = 0.3  # of a neighbour's 1
FEW = 5_000  # candidates
CALIBRATION_SAMPLE, SAMPLE_WEIGHT = 500, 0.5  # mentions, and of a neighbour's 1
FLOOR = -5.0  # log odds

# Prevalence. Chosen as the smoothing.
PREVALENCE_TOP = 10  # candidates
SHIFT = 4.0  # log odds
SHIFT_PER_TOP_LOGIT = -0.8
LOGITS_PER_BREADTH = 30.0  # log odds per unit of cosine
ABSENT, PRESENT = 5.6, 7.5  # log odds

# Names before common nouns. Chosen on fewnerd-dev and the seven choosing sets, left out in turn.
NAMES_TOP, NAMES_SHARE = 60, 0.5  # candidates, share of them
COMMON_NOUN = -3.0  # log odds

# Platt scaling. Fitted on fewnerd-dev, four boundary sets and fourteen domain sets, whole and in
# draws, with types that nothing is of (benchmarks/fit_scaling.py).
SLOPE, PER_GAIN, OFFSET = 0.74, 0.70, -3.61  # log odds each, of the gain for a standard deviation
SAMPLE_COUNTS_FOR = 500  # candidates

# Reranking. Fitted by benchmarks/fit_reranking.py, 150 mentions judged.
RERANK_FLOOR = -5.2  # log odds
OWN, JUDGED, JUDGED_OFFSET = 0.53, 0.66, -0.23  # weights, log odds

STAGES: tuple[Stage, ...] = (
    WordEvidence(REPETITION, NEARBY_NAMES),
    SameNameSmoothing(NEIGHBORS_PER_SIDE, MIN_COSINE, NEIGHBORS),
    NeighborSmoothing(
        bandwidth=BANDWIDTH,
        own_weight=OWN_WEIGHT,
        own_part=OWN_PART,
        cutoff=RANK_CUTOFF,
        neighbors=NEIGHBORS,
        drop=DROP,
        background_weight=BACKGROUND_WEIGHT,
        few=FEW,
        sample=CALIBRATION_SAMPLE,
        sample_weight=SAMPLE_WEIGHT,
        floor=FLOOR,
    ),
    PrevalenceShift(
        top=PREVALENCE_TOP,
        shift=SHIFT,
        per_top=SHIFT_PER_TOP_LOGIT,
        per_breadth=LOGITS_PER_BREADTH,
        absent=ABSENT,
        present=PRESENT,
    ),
    NamesFirst(NAMES_TOP, NAMES_SHARE, COMMON_NOUN),
    PlattScaling(
        slope=SLOPE,
        per_gain=PER_GAIN,
        offset=OFFSET,
        top=PREVALENCE_TOP,
        sample_weight=SAMPLE_COUNTS_FOR,
    ),
    Rerank(
        floor=RERANK_FLOOR,
        own=OWN,
        judged=JUDGED,
        offset=JUDGED_OFFSET,
    ),
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
