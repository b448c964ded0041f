"""Query several shards in parallel, some of which may be unavailable."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 16  # places queried in parallel
_RETRY_AFTER = 60.0  # seconds for which an unavailable place is not queried again

S = TypeVar("S")
T = TypeVar("T")


class ShardPool:
    """Queries places in parallel, and reports which of them did not answer.

    Args:
        partial: Whether results without some of the places are acceptable; a warning names them.
    """

    def __init__(self, *, partial: bool = False) -> None:
        self._partial = partial
        self._unavailable: dict[int, tuple[float, str]] = {}  # until when, and the error message

    def ask(self, call: Callable[[S], T], places: Sequence[S], numbers: Sequence[int]) -> list[T]:
        """Return the places' answers, in order, without those that are unavailable.

        Args:
            call: The query to run on each place.
            places: The places.
            numbers: The number that identifies each place across calls.

        Raises:
            ConnectionError: If one is unavailable and partial results are not acceptable, or if all
                are unavailable.
        """
        now = time.monotonic()
        open_ = [
            (place, number)
            for place, number in zip(places, numbers, strict=True)
            if self._unavailable.get(number, (0.0, ""))[0] <= now
        ]
        answers = [each for each in self._all(call, open_) if each is not None]
        away = [self._unavailable[number][1] for number in numbers if number in self._unavailable]
        if away:
            if len(away) == len(places):
                raise ConnectionError(away[0])
            warnings.warn(
                f"the results lack the documents of {len(away)} of {len(places)} shards: "
                + "; ".join(away),
                stacklevel=3,
            )
        return [value for (value,) in answers]

    def _all(
        self, call: Callable[[S], T], places: Sequence[tuple[S, int]]
    ) -> list[tuple[T] | None]:
        def one(place: tuple[S, int]) -> tuple[T] | None:
            try:
                answer = (call(place[0]),)
            except ConnectionError as error:
                if not self._partial:
                    raise
                said = f"shards[{place[1]}]: {error}"
                self._unavailable[place[1]] = time.monotonic() + _RETRY_AFTER, said
                return None
            self._unavailable.pop(place[1], None)
            return answer

        if len(places) < 2:
            return [one(each) for each in places]
        with ThreadPoolExecutor(min(_THREADS, len(places))) as pool:
            return list(pool.map(one, places))
