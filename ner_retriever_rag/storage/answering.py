"""Several places asked at the same time, of which one may be away."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 16  # places asked at the same time
_LEFT_ALONE = 60.0  # seconds for which a place that was away is not asked again

S = TypeVar("S")
T = TypeVar("T")


class Answering:
    """Asks places at the same time, and says which of them did not answer.

    Args:
        partial: Whether an answer without some of the places will do; a warning names them.
    """

    def __init__(self, *, partial: bool = False) -> None:
        self._partial = partial
        self._away: dict[int, tuple[float, str]] = {}  # until when, and what was said

    def ask(self, call: Callable[[S], T], places: Sequence[S], numbers: Sequence[int]) -> list[T]:
        """What the places answer, in their order, without those that are away.

        Args:
            call: What to ask of one.
            places: The places.
            numbers: The number of each, by which it is known again.

        Raises:
            ConnectionError: If one is away and a partial answer will not do, or all are.
        """
        now = time.monotonic()
        open_ = [
            (place, number)
            for place, number in zip(places, numbers, strict=True)
            if self._away.get(number, (0.0, ""))[0] <= now
        ]
        answers = [each for each in self._all(call, open_) if each is not None]
        away = [self._away[number][1] for number in numbers if number in self._away]
        if away:
            if len(away) == len(places):
                raise ConnectionError(away[0])
            warnings.warn(
                f"the answer is without the documents of {len(away)} of {len(places)} shards: "
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
                self._away[place[1]] = time.monotonic() + _LEFT_ALONE, said
                return None
            self._away.pop(place[1], None)
            return answer

        if len(places) < 2:
            return [one(each) for each in places]
        with ThreadPoolExecutor(min(_THREADS, len(places))) as pool:
            return list(pool.map(one, places))
