"""What a mention's neighbours say of it: a kernel vote with pseudo-labels.

A mention among likely rivers is likelier a river than one among lakes, however near both are to
"river". So the mentions found vote: each for the type by its own probability and against it by the
rest, the louder the nearer (Nadaraya 1964, Watson 1964). Far down a ranking one voter stands for
several, so that a vote costs the same in an index of any size. In a few texts the neighbours that
there are may all be of other types, so a sample of mentions of all kinds votes with them. What is
chosen here was chosen on fewnerd-dev, four sets of other fields and by benchmarks/top_answers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.index.sharpening import largest

WIDTH = 0.15  # cosine by which a voice falls to 1/e
OWN_VOICE = 0.1  # of a mention's own probability; a neighbour that is the same has 1
OWN_PART = 0.5  # of a mention's own log odds beside those of the vote
VOTERS = 512
FIRST = 128  # so many of the best vote for themselves alone
LAST = 10_000  # rank after which nobody votes, or is voted on
FEW = 5_000  # mentions; of fewer, the background votes with them
BACKGROUND, ITS_VOICE = 500, 0.5  # so many of it, each so loud in a tiny index, silent from FEW on
HOPELESS = -5.0  # log odds below which nobody is voted on, as after rank LAST
# A whole index votes against most mentions, since most are of other types, and the more so where
# the best of them are unsure. By so much all log odds are raised.
RAISE, RAISE_LESS = 4.2, 0.7  # less so much for each of the log odds of the best
# Where nothing is of the type, nothing is raised. The best of a narrow type are surer than those of
# a broad one, so to their log odds is added what its breadth is worth.
BREADTH = 30.0
NONE_THERE, SOME_THERE = 4.5, 7.0  # with which nothing is raised, and everything

_CERTAIN = 30.0  # log odds stay within
_TOGETHER = 1_024  # mentions voted on at once


def voted(
    calibration: Calibration,
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    similarities: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Similarities with what neighbours say counted in.

    Of mentions that are not voted on is assumed what is said of the last that are.

    Args:
        calibration: Makes log odds of similarities, and back.
        query: float32 ``(dim,)``, the type's vector, L2-normalised.
        vectors: float32 ``(n, dim)``, all mentions.
        similarities: float32 ``(n,)``, theirs to the type.

    Returns:
        float32 ``(n,)``, what ``calibration`` makes the probabilities of.
    """
    if not len(similarities):
        return similarities
    odds = np.clip(calibration.log_odds(query, similarities), -_CERTAIN, _CERTAIN)
    ranking = largest(similarities, LAST)
    rows = ranking[: max(1, int((odds[ranking] > HOPELESS).sum()))]
    voters = _Voters.elect(ranking, vectors, odds)
    if len(odds) < FEW:
        voters = voters.with_background(calibration, query, ITS_VOICE * (1 - len(odds) / FEW))
    votes = voters.log_odds(vectors[rows], odds[rows])
    counted = OWN_PART * odds + np.minimum(odds, np.median(votes[-(len(votes) // 10 + 1) :]))
    counted[rows] = OWN_PART * odds[rows] + votes
    best = float(odds[ranking[: max(1, min(10, len(odds) // 100))]].mean())
    evidence = best + BREADTH * calibration.breadth(query)
    there = np.clip((evidence - NONE_THERE) / (SOME_THERE - NONE_THERE), 0, 1)
    raised = there * (RAISE - RAISE_LESS * best)
    return calibration.similarities(query, counted + raised)


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
        cls, ranking: NDArray[np.intp], vectors: NDArray[np.float32], odds: NDArray[np.float64]
    ) -> _Voters:
        """Choose them by rank.

        Args:
            ranking: Places of the mentions that may vote, best first.
            vectors: float32 ``(n, dim)``, all mentions.
            odds: float64 ``(n,)``, their log odds.
        """
        ranks, weights = ranks_that_vote(len(ranking))
        places = ranking[ranks]
        ballots = _chances(odds[places]) * weights[:, None]
        return cls(ranks, vectors[places], ballots.astype(np.float32))

    def with_background(
        self, calibration: Calibration, query: NDArray[np.float32], voice: float
    ) -> _Voters:
        """The same, and mentions of all kinds from elsewhere.

        Args:
            calibration: Has a sample of them.
            query: float32 ``(dim,)``, the type's vector, L2-normalised.
            voice: Of each, where one of the index has 1.
        """
        sample = calibration.background[:BACKGROUND]
        odds = np.clip(calibration.log_odds(query, sample @ query), -_CERTAIN, _CERTAIN)
        ballots = (voice * _chances(odds)).astype(np.float32)
        return _Voters(
            self.ranks,
            np.concatenate([self.vectors, sample]),
            np.concatenate([self.ballots, ballots]),
        )

    def log_odds(
        self, vectors: NDArray[np.float32], odds: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What is for the type against what is not, float64 ``(m,)``.

        Of a mention far from all others these are the log odds of its own probability.

        Args:
            vectors: float32 ``(m, dim)``, those of the first m of the ranking.
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
            selves = np.flatnonzero((self.ranks >= start) & (self.ranks < start + len(voices)))
            voices[self.ranks[selves] - start, selves] = 0
            said = voices @ self.ballots + OWN_VOICE * _chances(odds[some])
            result[some] = np.log(said[:, 0]) - np.log(said[:, 1])
        return result


def ranks_that_vote(n: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which of n ranks vote, and how many each stands for: the first all, later ones ever fewer."""
    if n <= VOTERS:
        return np.arange(n), np.ones(n)
    edges = np.unique(np.round(np.geomspace(FIRST, n, VOTERS - FIRST + 1)).astype(np.intp))
    ranks = np.concatenate([np.arange(FIRST), (edges[:-1] + edges[1:] - 1) // 2])
    return ranks, np.concatenate([np.ones(FIRST), np.diff(edges)])


def _chances(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability and the rest, float64 ``(n, 2)``, of log odds."""
    return 1.0 / (1.0 + np.exp(np.stack([-odds, odds], axis=1)))
