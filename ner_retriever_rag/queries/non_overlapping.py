"""Greedy selection of non-overlapping spans: first come, first kept."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Hashable

from ner_retriever_rag.schema import Span


class NonOverlapping:
    """A growing set of non-overlapping spans, for several texts or types at once.

    Spans are kept sorted, so that a new one is compared only with its neighbors: a book has about
    ten thousand mentions.
    """

    def __init__(self) -> None:
        self._taken: defaultdict[Hashable, list[Span]] = defaultdict(list)

    def take(self, of: Hashable, span: Span) -> bool:
        """Add a span unless it overlaps one added before; return whether it was added.

        Args:
            of: Key of the group, such as a text or type, within which spans must not overlap.
            span: First character, and one past the last.
        """
        taken = self._taken[of]
        at = bisect(taken, span)
        neighbors = taken[max(0, at - 1) : at + 1]
        if any(start < span[1] and span[0] < end for start, end in neighbors):
            return False
        taken.insert(at, span)
        return True
