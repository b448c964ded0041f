"""What a mention's neighbours say of it: a kernel vote with pseudo-labels.

A mention among likely rivers is likelier a river than one among lakes, however near both are to
"river". So the mentions found vote: each for the type by its own probability and against it by the
rest, the louder the nearer (Nadaraya 1964, Watson 1964). Far down a ranking one voter stands for
several, so that a vote costs the same in an index of any size; which one is drawn by lot, so that
it does not depend on who else is there. Those after the last rank are a crowd of which a few vote
for all, or a type would seem the more frequent the greater the index. In a few texts the neighbours
that there are may all be of other types, so a sample of mentions of all kinds votes with them.

What is chosen here was chosen on fewnerd-dev, four sets of other fields, mined mentions, and by
benchmarks/top_answers.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.schema import BackgroundSample

WIDTH = 0.15  # cosine by which a voice falls to 1/e
OWN_VOICE = 0.1  # of a mention's own probability; a neighbour that is the same has 1
OWN_PART = 0.5  # of a mention's own log odds beside those of the vote
VOTERS = 1_024
FIRST = 256  # so many of the best vote for themselves alone
LAST = 10_000  # rank after which only the crowd votes, and nobody is voted on
CROWD_VOICE = 0.3  # of each in the crowd
FEW = 5_000  # mentions; of fewer, the background votes with them
BACKGROUND, ITS_VOICE = 500, 0.5  # so many of it, each so loud in a tiny index, silent from FEW on
HOPELESS = -5.0  # log odds below which nobody is voted on, as after rank LAST
# A whole index votes against most mentions, since most are of other types, and the more so where
# the best of them are unsure. By so much all log odds are raised.
RAISE, RAISE_LESS = 4.0, 0.8  # less so much for each of the log odds of the best
# The best of many are surer than the best of few: so much more for each e-fold of so many mentions.
RAISE_MORE, MANY = 0.1, 1_000
# Where nothing is of the type, nothing is raised. The best of a narrow type are surer than those of
# a broad one, so to their log odds is added what its breadth is worth.
BREADTH = 30.0
NONE_THERE, SOME_THERE = 5.6, 7.5  # with which nothing is raised, and everything

_CERTAIN = 30.0  # log odds stay within
_SAMPLED = 128  # of the last tenth that are voted on for others
_TOGETHER = 1_024  # mentions voted on at once


class Wanted(NamedTuple):
    """Which mentions are voted on where not all have to be.

    Attributes:
        mentions: bool ``(n,)``, which may be found.
        most: So many of these, the best.
    """

    mentions: NDArray[np.bool_]
    most: int


def voted(
    calibration: Calibration,
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    similarities: NDArray[np.float32],
    lots: NDArray[np.float32],
    background: BackgroundSample,
    wanted: Wanted | None = None,
) -> NDArray[np.float32]:
    """Similarities with what neighbours say counted in.

    Of mentions that are not voted on is assumed what is said of the last that are.

    Args:
        calibration: Makes log odds of similarities, and back.
        query: float32 ``(dim,)``, the type's vector, L2-normalised.
        vectors: float32 ``(n, dim)``, all mentions, or the nearest of them.
        similarities: float32 ``(n,)``, theirs to the type.
        lots: float32 ``(n,)``, theirs, in (0, 1].
        background: All mentions there are.
        wanted: Which of them are voted on; None for all that have a chance.

    Returns:
        float32 ``(n,)``, what ``calibration`` makes the probabilities of.
    """
    if not len(similarities):
        return similarities
    odds = np.clip(calibration.log_odds(query, similarities), -_CERTAIN, _CERTAIN)
    ranking = largest(similarities, LAST)
    asked, last = _asked(ranking, odds, wanted)
    voters = _Voters.elect(ranking, vectors, odds, lots)
    if len(odds) < FEW:
        sample = calibration.background[:BACKGROUND]
        voters = voters.joined_by(sample, calibration, query, ITS_VOICE * (1 - len(odds) / FEW))
    if background.count > LAST:
        far = background.vectors[~np.isin(background.lots, lots[ranking])]
        each = CROWD_VOICE * (background.count - LAST) / max(1, len(far))
        voters = voters.joined_by(far, calibration, query, each)
    rows = ranking[asked]
    votes = voters.log_odds(asked, vectors[rows], odds[rows])
    counted = OWN_PART * odds + np.minimum(odds, np.median(votes[asked >= last]))
    counted[rows] = OWN_PART * odds[rows] + votes
    best = float(odds[ranking[: max(1, min(10, len(odds) // 100))]].mean())
    evidence = best + BREADTH * calibration.breadth(query)
    there = np.clip((evidence - NONE_THERE) / (SOME_THERE - NONE_THERE), 0, 1)
    more = RAISE_MORE * max(0.0, np.log(background.count / MANY))
    raised = there * (RAISE - RAISE_LESS * best + more)
    return calibration.similarities(query, counted + raised)


def _asked(
    ranking: NDArray[np.intp], odds: NDArray[np.float64], wanted: Wanted | None
) -> tuple[NDArray[np.intp], int]:
    """The ranks that are voted on, rising, and where the last tenth of those with a chance begins.

    Some of that tenth always are: they speak for all others.
    """
    hopeful = max(1, int((odds[ranking] > HOPELESS).sum()))
    last = hopeful - (hopeful // 10 + 1)
    if wanted is None:
        return np.arange(hopeful), last
    best = np.flatnonzero(wanted.mentions[ranking[:hopeful]])[: wanted.most]
    return np.union1d(best, np.arange(last, hopeful, 1 + (hopeful - last) // _SAMPLED)), last


@dataclass(frozen=True, slots=True)
class _Voters:
    """The mentions that vote.

    Attributes:
        ranks: Where the first of them stand in the ranking, ``(r,)``; others are not in it.
        vectors: float32 ``(v >= r, dim)``, L2-normalised.
        ballots: float32 ``(v, 2)``, for and against, times the mentions each stands for.
    """

    ranks: NDArray[np.intp]
    vectors: NDArray[np.float32]
    ballots: NDArray[np.float32]

    @classmethod
    def elect(
        cls,
        ranking: NDArray[np.intp],
        vectors: NDArray[np.float32],
        odds: NDArray[np.float64],
        lots: NDArray[np.float32],
    ) -> _Voters:
        """Choose them: the first of the ranking, and others by lot.

        Args:
            ranking: Places of the mentions that may vote, best first.
            vectors: float32 ``(n, dim)``, all mentions.
            odds: float64 ``(n,)``, their log odds.
            lots: float32 ``(n,)``, theirs, in (0, 1].
        """
        ranks, weights = ranks_that_vote(lots[ranking])
        places = ranking[ranks]
        ballots = _chances(odds[places]) * weights[:, None]
        return cls(ranks, vectors[places], ballots.astype(np.float32))

    def joined_by(
        self,
        vectors: NDArray[np.float32],
        calibration: Calibration,
        query: NDArray[np.float32],
        voice: float,
    ) -> _Voters:
        """The same, and mentions that are in no ranking.

        Args:
            vectors: float32 ``(m, dim)``, theirs, L2-normalised.
            calibration: Makes log odds of their cosines.
            query: float32 ``(dim,)``, the type's vector, L2-normalised.
            voice: Of each, where one of the ranking's first has 1.
        """
        odds = np.clip(calibration.log_odds(query, vectors @ query), -_CERTAIN, _CERTAIN)
        ballots = (voice * _chances(odds)).astype(np.float32)
        return _Voters(
            self.ranks,
            np.concatenate([self.vectors, vectors]),
            np.concatenate([self.ballots, ballots]),
        )

    def log_odds(
        self, ranks: NDArray[np.intp], vectors: NDArray[np.float32], odds: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What is for the type against what is not, float64 ``(m,)``.

        Of a mention far from all others these are the log odds of its own probability.

        Args:
            ranks: ``(m,)``, where they stand in the ranking.
            vectors: float32 ``(m, dim)``.
            odds: float64 ``(m,)``, their own log odds.
        """
        nearness = self.vectors.T / np.float32(WIDTH)
        result = np.empty(len(vectors), dtype=np.float64)
        for start in range(0, len(vectors), _TOGETHER):
            some = slice(start, start + _TOGETHER)
            voices = vectors[some] @ nearness
            voices -= np.float32(1 / WIDTH)
            np.exp(voices, out=voices)
            # A voter's vote on itself is its own voice, no more.
            _, selves, voters = np.intersect1d(ranks[some], self.ranks, True, True)
            voices[selves, voters] = 0
            said = voices @ self.ballots + OWN_VOICE * _chances(odds[some])
            result[some] = np.log(said[:, 0]) - np.log(said[:, 1])
        return result


def ranks_that_vote(
    drawn: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which ranks vote, rising, and how many each stands for: the first all, later ones ever fewer.

    Args:
        drawn: float32 ``(n,)``, the lots of mentions, best first. One votes where its lot is low
            for its rank.
    """
    n = len(drawn)
    if n <= VOTERS:
        return np.arange(n), np.ones(n)
    costs = drawn * np.arange(1, n + 1)
    costs[:FIRST] = 0
    limit = np.partition(costs, VOTERS)[VOTERS]
    ranks = np.flatnonzero(costs < limit)
    weights = np.maximum(1, (ranks + 1) / limit)
    weights[:FIRST] = 1
    weights[FIRST:] *= (n - FIRST) / weights[FIRST:].sum()
    return ranks, weights


def _chances(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability and the rest, float64 ``(n, 2)``, of log odds."""
    return 1.0 / (1.0 + np.exp(np.stack([-odds, odds], axis=1)))
