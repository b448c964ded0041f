"""What words say: repetitions of the description come lower, mentions near its names higher.

And where names are wanted, names come before common nouns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.schema import Candidates


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """Adds what a candidate's words, and those around it, say beside its vector.

    Attributes:
        repetition: Log odds of a candidate without a word but the description's.
        uncased_repetition: The same in a text without capitals, where it may be the answer: "pump"
            in "pump leaks", but not "song" in "play a song".
        nearby_names: Log odds of one with all names of the description near by; a share of the
            names gives that share.
    """

    repetition: float
    uncased_repetition: float
    nearby_names: float

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = False

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds with those of words added."""
        if (words := query.words) is None:
            return log_odds
        added = self.nearby_names * words.nearby_names
        added[words.repetitions & words.cased] += self.repetition
        added[words.repetitions & ~words.cased] += self.uncased_repetition
        return log_odds + added


@dataclass(frozen=True, slots=True)
class NamesFirst:
    """Puts common nouns after names where names are wanted: "directors" for "person".

    Most of the best candidates decide whether they are, unless the caller does (``query.named``).

    Attributes:
        common_noun: Log odds of a candidate that is no name.
        best: How many are the best.
    """

    common_noun: float
    best: int

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = False

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """The log odds, common nouns' lower where names are wanted."""
        if (words := query.words) is None or query.named is False:
            return log_odds
        if query.named is None and words.named[largest(log_odds, self.best)].mean() <= 0.5:
            return log_odds
        return log_odds + self.common_noun * ~words.named
