"""User decisions about names, stored in an index: which are one entity, and which are not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from ner_retriever_rag.queries.name_matching import spelling
from ner_retriever_rag.schema import require_text

if TYPE_CHECKING:
    from ner_retriever_rag.storage.protocol import RowReader

KEY = "ner:names"  # metadata key in the collection of an index's documents


@dataclass(frozen=True)
class Decisions:
    """Decisions about names, which take precedence over all rules.

    Attributes:
        merged: Groups of names that are one entity, wherever they occur.
        split: Pairs of names that are two entities, wherever they occur.
    """

    merged: tuple[tuple[str, ...], ...] = ()
    split: tuple[tuple[str, str], ...] = ()

    @cached_property
    def groups(self) -> dict[str, int]:
        """For each merged spelling, the number of its group."""
        return {spelling(each): n for n, names in enumerate(self.merged) for each in names}

    @cached_property
    def _pairs(self) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(map(spelling, pair)) for pair in self.split)

    def are_split(self, one: Iterable[str], other: Iterable[str]) -> bool:
        """Whether a spelling of one and a spelling of the other were split by the user."""
        if not self._pairs:
            return False
        others = tuple(other)
        return any(frozenset((a, b)) in self._pairs for a in one for b in others)

    def with_merged(self, names: Iterable[str]) -> Decisions:
        """Return the decisions with some names merged; groups that share a name are united."""
        group = _distinct(names)
        keys = set(map(spelling, group))
        kept = []
        for other in self.merged:
            if keys.isdisjoint(map(spelling, other)):
                kept.append(other)
            else:
                group = _distinct([*other, *group])
        split = [pair for pair in self.split if not keys.issuperset(map(spelling, pair))]
        return Decisions((*kept, tuple(group)), tuple(split))

    def with_split(self, names: Iterable[str]) -> Decisions:
        """Return the decisions with names split; a merged group keeps only the first of them."""
        names = _distinct(names)
        keys = list(map(spelling, names))
        merged = []
        for group in self.merged:
            here = [each for each in group if spelling(each) in keys]
            merged.append(tuple(each for each in group if each not in here[1:]))
        pairs = [pair for pair in combinations(names, 2) if not self.are_split(
            [spelling(pair[0])], [spelling(pair[1])])]  # fmt: skip
        return Decisions(tuple(each for each in merged if each), (*self.split, *pairs))

    def without(self, names: Iterable[str]) -> Decisions:
        """Return the decisions without those about the given names."""
        keys = set(map(spelling, names))
        merged = []
        for group in self.merged:
            left = tuple(each for each in group if spelling(each) not in keys)
            if left == group or len(left) > 1:
                merged.append(left)
        return Decisions(
            tuple(merged),
            tuple(pair for pair in self.split if keys.isdisjoint(map(spelling, pair))),
        )

    @classmethod
    def read(cls, rows: RowReader) -> Decisions:
        """Read the decisions stored in an index.

        Args:
            rows: Collection of the index's documents.
        """
        stored = rows.metadata().get(KEY)
        if not isinstance(stored, str):
            return cls()
        found = json.loads(stored)
        return cls(tuple(map(tuple, found["merged"])), tuple(map(tuple, found["split"])))

    def write(self, rows: RowReader) -> None:
        """Store these decisions in an index, replacing those it had.

        Args:
            rows: Collection of the index's documents.
        """
        encoded = json.dumps({"merged": self.merged, "split": self.split}, ensure_ascii=False)
        rows.set_metadata({**rows.metadata(), KEY: encoded})


def check_names(names: Iterable[str], least: int) -> list[str]:
    """Validate the names of a decision, and deduplicate them by spelling.

    Raises:
        TypeError: If a name is not a string.
        ValueError: If there are fewer than ``least``, or one is empty.
    """
    checked = _distinct(require_text(name, "names") for name in names)
    if len(checked) < least:
        raise ValueError(
            f"give at least {least} name{'s' * (least > 1)} that are not spellings of one"
        )
    return checked


def _distinct(names: Iterable[str]) -> list[str]:
    return list({spelling(name): name for name in reversed(list(names))}.values())[::-1]
