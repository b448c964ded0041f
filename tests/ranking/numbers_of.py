"""Candidates that are numbers and nothing else, and the stages as they ship."""

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
class Numbers:
    """Candidates by their vectors; all are in the background."""

    vectors: np.ndarray
    priorities: np.ndarray = None
    background: BackgroundSample = field(default=None)

    def __post_init__(self):
        if self.priorities is None:
            self.priorities = priorities(len(self.vectors))
        if self.background is None:
            self.background = BackgroundSample(len(self.vectors), self.priorities, self.vectors)


class Calibrated:
    """As much of an encoder as ranking asks for."""

    similarity = "cosine"

    def __init__(self, calibration):
        self.calibration = calibration

    def score(self, _, similarities):  # of an encoder without a calibration
        return np.clip(similarities, 0, 1)


def some_calibration():
    rng = np.random.default_rng(0)
    return Calibration(unit(rng.standard_normal((50, DIM))), (8.0, 0.5), (0.0, 0.0, 0.0, 0.0, 1.0))


def scale_of(calibration, vector):
    return LogOddsScale.of(Calibrated(calibration), vector)


def asked(calibration, vector, candidates, **options):
    """A type compared with candidates."""
    scale = scale_of(calibration, vector)
    return TypeQuery(vector, candidates.vectors @ vector, scale, **options)


def shipped(stage):
    """The stage of a class as it ships."""
    return next(each for each in STAGES if isinstance(each, stage))


def priorities(n):
    return random_priorities([(f"document {i}", (0, 4)) for i in range(n)])


def around(centre, n, spread, seed):
    rng = np.random.default_rng(seed)
    return unit(centre + spread * rng.standard_normal((n, DIM)))
