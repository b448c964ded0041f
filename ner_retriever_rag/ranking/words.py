"""Lexical evidence: demotes repetitions of the description, promotes mentions near its names.

Also ranks names before common nouns if names are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ner_retriever_rag.ranking.ordering import largest
from ner_retriever_rag.ranking.query import LogOdds, TypeQuery
from ner_retriever_rag.schema import Candidates


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """Adds evidence from a candidate's words, and the words around it, to that of its vector.

    Attributes:
        repetition: Log odds added to a candidate that has only words of the description.
        uncased_repetition: The same in a text without capitals, where it may be the answer: "pump"
            in "pump leaks", but not "song" in "play a song".
        nearby_names: Log odds added to a candidate with all names of the description nearby;
            proportionally less with some of the names.
    """

    repetition: float
    uncased_repetition: float
    nearby_names: float

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = False

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """Add the lexical evidence to the log odds."""
        if (words := query.words) is None:
            return log_odds
        added = self.nearby_names * words.nearby_names
        added[words.repetitions & words.cased] += self.repetition
        added[words.repetitions & ~words.cased] += self.uncased_repetition
        return log_odds + added


@dataclass(frozen=True, slots=True)
class NamesFirst:
    """Demotes common nouns if names are wanted: "directors" for "person".

    Names are wanted if most of the best candidates are names, unless the caller decides
    (``query.named``).

    Attributes:
        common_noun: Log odds added to a candidate that is not a name.
        best: Number of best candidates that decide.
    """

    common_noun: float
    best: int

    sharpens: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = False

    def __call__(self, query: TypeQuery, candidates: Candidates, log_odds: LogOdds) -> LogOdds:
        """Lower the log odds of common nouns if names are wanted."""
        if (words := query.words) is None or query.named is False:
            return log_odds
        if query.named is None and words.named[largest(log_odds, self.best)].mean() <= 0.5:
            return log_odds
        return log_odds + self.common_noun * ~words.named
