"""What people decide about names, remembered in an index: these are one entity, those are two."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from ner_retriever_rag.queries.same_name import spelling
from ner_retriever_rag.schema import require_text

if TYPE_CHECKING:
    from ner_retriever_rag.storage.protocol import RowReader

KEY = "ner:names"  # in the metadata of an index's documents


@dataclass(frozen=True)
class Decisions:
    """Decisions about names, which go before all rules.

    Attributes:
        merged: Groups of names that are one entity, wherever they stand.
        split: Pairs of names that are two, wherever they stand.
    """

    merged: tuple[tuple[str, ...], ...] = ()
    split: tuple[tuple[str, str], ...] = ()

    @cached_property
    def groups(self) -> dict[str, int]:
        """The number of the merged group of each spelling that is in one."""
        return {spelling(each): n for n, names in enumerate(self.merged) for each in names}

    @cached_property
    def _pairs(self) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(map(spelling, pair)) for pair in self.split)

    def apart(self, one: Iterable[str], other: Iterable[str]) -> bool:
        """Whether a spelling of one and a spelling of the other were said to be two entities."""
        if not self._pairs:
            return False
        others = tuple(other)
        return any(frozenset((a, b)) in self._pairs for a in one for b in others)

    def with_merged(self, names: Iterable[str]) -> Decisions:
        """These, with names said to be one; groups that share a name become one group."""
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
        """These, with names said to be as many entities; groups lose all but the first of them."""
        names = _distinct(names)
        keys = list(map(spelling, names))
        merged = []
        for group in self.merged:
            here = [each for each in group if spelling(each) in keys]
            merged.append(tuple(each for each in group if each not in here[1:]))
        pairs = [pair for pair in combinations(names, 2) if not self.apart(
            [spelling(pair[0])], [spelling(pair[1])])]  # fmt: skip
        return Decisions(tuple(each for each in merged if each), (*self.split, *pairs))

    def without(self, names: Iterable[str]) -> Decisions:
        """These, but for what was decided of some names."""
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
        """Those that an index remembers.

        Args:
            rows: Its documents' collection.
        """
        stored = rows.metadata().get(KEY)
        if not isinstance(stored, str):
            return cls()
        found = json.loads(stored)
        return cls(tuple(map(tuple, found["merged"])), tuple(map(tuple, found["split"])))

    def write(self, rows: RowReader) -> None:
        """Let an index remember these instead of what it had.

        Args:
            rows: Its documents' collection.
        """
        said = json.dumps({"merged": self.merged, "split": self.split}, ensure_ascii=False)
        rows.set_metadata({**rows.metadata(), KEY: said})


def check_names(names: Iterable[str], least: int) -> list[str]:
    """Return names that something is decided of, each spelling once.

    Raises:
        TypeError: If one is not a string.
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
