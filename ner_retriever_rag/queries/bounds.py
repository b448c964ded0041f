"""The limits and options of a search, validated once."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ner_retriever_rag._markup import short_repr

DEFAULT_THRESHOLD = 0.2
FEW, MANY = 30, 150  # mentions reranked by default: a seventh of a second, half a second
MAX_COUNT = 2**31 - 1  # maximum of all counts: Chroma uses 32-bit integers


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits and options of a search.

    Attributes:
        k: Maximum number of results; None for all.
        offset: Number of top results to skip.
        where: Metadata filter.
        floor: Minimum score of a result.
        threshold: Minimum score of a listed mention.
        sharpen: Whether to smooth scores over neighboring mentions.
        max_matches: Maximum number of mentions listed per document; None for all.
        exact: Whether to rule out approximate search.
        rerank: Number of top mentions per type that the pair model reranks.
        threshold_given: Whether the caller gave the threshold.
        named: Whether names are wanted, not common nouns; None to decide from the best mentions.
    """

    k: int | None
    offset: int
    where: Mapping[str, Any] | None
    floor: float
    threshold: float
    sharpen: bool
    max_matches: int | None
    exact: bool
    rerank: int
    named: bool | None
    threshold_given: bool = True

    @classmethod
    def check(
        cls,
        *,
        k: int | None = None,
        where: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
        sharpen: bool = True,
        offset: int = 0,
        max_matches: int | None = None,
        exact: bool = False,
        rerank: int | None = None,
        named: bool | None = None,
    ) -> Bounds:
        """Validate a search's arguments and fill in the defaults.

        Raises:
            TypeError: If ``where`` is not a mapping, or ``named`` is not a bool or None.
            ValueError: If a number is not one, or is out of its range.
        """
        if where is not None and not isinstance(where, Mapping):
            raise TypeError(f"where must be a mapping or None, not {type(where).__name__}")
        k = None if k is None else check_int("k", k, 1, " or None")
        offset = check_int("offset", offset, 0)
        if max_matches is not None:
            max_matches = check_int("max_matches", max_matches, 1, " or None")
        threshold = DEFAULT_THRESHOLD
        if score_threshold is not None:
            threshold = check_fraction("score_threshold", score_threshold)
        unbounded = k is not None and score_threshold is None
        floor = 0.0 if unbounded else threshold
        if named not in (None, True, False):
            raise TypeError(f"named must be True, False or None, not {named!r}")
        return cls(
            k, offset, where or None, floor, threshold, sharpen, max_matches, exact,
            reranked_mentions(rerank, last_rank(k, offset)),
            named,
            threshold_given=score_threshold is not None,
        )  # fmt: skip

    @property
    def stop(self) -> int | None:
        """One past the rank of the last result; None for no limit."""
        return last_rank(self.k, self.offset)


def last_rank(k: int | None, offset: int) -> int | None:
    """Number of results up to the last one returned; None for no limit."""
    return None if k is None else offset + k


def reranked_mentions(rerank: int | None, results: int | None) -> int:
    """Number of top mentions per type to rerank.

    Args:
        rerank: The number requested; None for 30, or 150 if more results may be returned.
        results: Maximum number of results; None for no limit.

    Raises:
        ValueError: If ``rerank`` is not a number, or negative.
    """
    if rerank is not None:
        return check_int("rerank", rerank, 0, " or None")
    return FEW if results is not None and results <= FEW else MANY


def check_int(name: str, value: object, minimum: int, alternative: str = "") -> int:
    """Return ``value`` if it is an integer (or NumPy integer) of at least ``minimum``.

    Raises:
        ValueError: If it is not, or exceeds 31 bits.
    """
    if hasattr(value, "__index__") and not isinstance(value, bool):
        number = operator.index(value)
        if minimum <= number <= MAX_COUNT:
            return number
        if number > MAX_COUNT:
            raise ValueError(f"{name} must be at most {MAX_COUNT:,}{alternative}")
    kind = "a positive whole number" if minimum == 1 else f"a whole number of at least {minimum}"
    raise ValueError(f"{name} must be {kind}{alternative}, not {short_repr(value)}")


def check_fraction(name: str, value: object) -> float:
    """Return ``value`` if it is a number in [0, 1].

    Raises:
        ValueError: If it is not.
    """
    try:
        if not isinstance(value, str | bool) and 0 <= (number := float(value)) <= 1:  # type: ignore[arg-type]
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} must be in [0, 1], not {short_repr(value)}")
