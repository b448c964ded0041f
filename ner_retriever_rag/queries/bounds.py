"""How far a search goes, checked once."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ner_retriever_rag._markup import shortened

DEFAULT_THRESHOLD = 0.2
MOST = 2**31 - 1  # of anything that is counted: Chroma counts in 32 bits


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a search goes.

    Attributes:
        k: How many results, None for all.
        offset: How many of the best to skip.
        where: Metadata filter.
        floor: Least score of a result.
        threshold: Least score of a mention that is listed.
        sharpen: Whether the query is made sharper by what the index holds.
        max_matches: How many mentions of a document are listed, None for all.
        exact: Whether nothing may be approximate.
        rerank: How many of a type's best mentions the pair model judges.
        given: Whether the caller gave the threshold.
        named: Whether names are wanted, not common nouns; None to tell by the best.
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
    given: bool = True

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
        rerank: int = 0,
        named: bool | None = None,
    ) -> Bounds:
        """Check a search's arguments and fill in the defaults.

        Raises:
            TypeError: If ``where`` is not a mapping or a number is something else.
            ValueError: If a number is out of its range.
        """
        if where is not None and not isinstance(where, Mapping):
            raise TypeError(f"where must be a mapping or None, not {type(where).__name__}")
        k = None if k is None else whole_number("k", k, 1, " or None")
        offset = whole_number("offset", offset, 0)
        if max_matches is not None:
            max_matches = whole_number("max_matches", max_matches, 1, " or None")
        threshold = DEFAULT_THRESHOLD
        if score_threshold is not None:
            threshold = share("score_threshold", score_threshold)
        unbounded = k is not None and score_threshold is None
        floor = 0.0 if unbounded else threshold
        if named not in (None, True, False):
            raise TypeError(f"named must be True, False or None, not {named!r}")
        return cls(
            k, offset, where or None, floor, threshold, sharpen, max_matches, exact,
            whole_number("rerank", rerank, 0),
            named,
            given=score_threshold is not None,
        )  # fmt: skip

    @property
    def last(self) -> int | None:
        """One past the last place of a result, None for no end."""
        return None if self.k is None else self.offset + self.k


def whole_number(name: str, value: object, least: int, otherwise: str = "") -> int:
    """Return ``value`` if it is a whole number of at least ``least`` (NumPy's count too).

    Raises:
        ValueError: If it is not, or beyond what 31 bits hold.
    """
    if hasattr(value, "__index__") and not isinstance(value, bool):
        number = operator.index(value)
        if least <= number <= MOST:
            return number
        if number > MOST:
            raise ValueError(f"{name} must be at most {MOST:,}{otherwise}")
    kind = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
    raise ValueError(f"{name} must be {kind}{otherwise}, not {shortened(value)}")


def share(name: str, value: object) -> float:
    """Return ``value`` if it is a number in [0, 1].

    Raises:
        ValueError: If it is not.
    """
    try:
        if not isinstance(value, str | bool) and 0 <= (number := float(value)) <= 1:  # type: ignore[arg-type]
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} must be in [0, 1], not {shortened(value)}")
