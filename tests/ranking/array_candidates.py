"""Candidates that consist of arrays only, and the ranking stages as shipped."""

from dataclasses import dataclass, field

import numpy as np
from unit_vectors import unit

from ner_retriever_rag.candidates.mention_table import random_priorities
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.encoder.log_odds import LogOddsScale
from ner_retriever_rag.ranking.query import TypeQuery
from ner_retriever_rag.ranking.stages import STAGES
from ner_retriever_rag.schema import BackgroundSample

DIM = 16


@dataclass
class ArrayCandidates:
    """Candidates given by their vectors; all are in the background sample."""

    vectors: np.ndarray
    priorities: np.ndarray = None
    background: BackgroundSample = field(default=None)

    def __post_init__(self):
        if self.priorities is None:
            self.priorities = priorities(len(self.vectors))
        if self.background is None:
            self.background = BackgroundSample(len(self.vectors), self.priorities, self.vectors)


class CalibratedStub:
    """The part of an encoder that ranking uses."""

    similarity = "cosine"

    def __init__(self, calibration):
        self.calibration = calibration

    def score(self, _, similarities):  # used without a calibration
        return np.clip(similarities, 0, 1)


def some_calibration():
    rng = np.random.default_rng(0)
    return Calibration(unit(rng.standard_normal((50, DIM))), (8.0, 0.5), (0.0, 0.0, 0.0, 0.0, 1.0))


def log_odds_scale(calibration, vector):
    return LogOddsScale.of(CalibratedStub(calibration), vector)


def type_query(calibration, vector, candidates, **options):
    """Return the query that compares a type with candidates."""
    scale = log_odds_scale(calibration, vector)
    return TypeQuery(vector, candidates.vectors @ vector, scale, **options)


def shipped_stage(stage):
    """Return the shipped stage of a class."""
    return next(each for each in STAGES if isinstance(each, stage))


def priorities(n):
    return random_priorities([(f"document {i}", (0, 4)) for i in range(n)])


def points_around(center, n, spread, seed):
    rng = np.random.default_rng(seed)
    return unit(center + spread * rng.standard_normal((n, DIM)))
