"""Of spans that overlap, the first."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Hashable

from ner_retriever_rag.schema import Span


class NonOverlapping:
    """Spans none of which overlap, of several texts or types at once.

    They are kept in their order, so that one is compared with its neighbours only: a book has some
    ten thousand mentions.
    """

    def __init__(self) -> None:
        self._taken: defaultdict[Hashable, list[Span]] = defaultdict(list)

    def take(self, of: Hashable, span: Span) -> bool:
        """Take a span, if it lies apart from those taken before; whether it does.

        Args:
            of: What it is compared within.
            span: First character, and one past the last.
        """
        taken = self._taken[of]
        at = bisect(taken, span)
        beside = taken[max(0, at - 1) : at + 1]
        if any(start < span[1] and span[0] < end for start, end in beside):
            return False
        taken.insert(at, span)
        return True
