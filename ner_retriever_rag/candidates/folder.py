"""A folder's candidates: all mentions in one table, near ones by its inverted file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.cells import Look
from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.queries.repetition import last_word
from ner_retriever_rag.schema import BackgroundSample

_SHARE, _TIMES = 5, 4  # one mention in so many gets a coarse look, and so many times what is wanted
_LITTLE = 4  # where a filter keeps less than so many times what is wanted, it is all looked at
_SAMPLED = 16  # one value in so many tells how great the greatest are


class FolderCandidates:
    """The candidates of a table.

    Args:
        table: All mentions.
    """

    def __init__(self, table: MentionTable) -> None:
        self.table = table

    @property
    def count(self) -> int:
        """How many candidates there are."""
        return len(self.table)

    @property
    def background(self) -> BackgroundSample:
        """A sample that represents all of them."""
        return self.table.background

    def nearest(
        self, vector: NDArray[np.float32], n: int, documents: Iterable[str] | None = None
    ) -> MentionTable:
        """About n candidates nearest to a vector, or more; of some documents, too, if given.

        Args:
            vector: float32 ``(dim,)``.
            n: How many, if there are so many.
            documents: Ids of documents that may be found; about half as many of theirs as well.
        """
        allowed = None
        if documents is not None:
            allowed = np.zeros(len(self.table.doc_ids), dtype=np.bool_)
            allowed[self.table.documents(documents)] = True
        return self.table.only(self.rows_near(vector, n, allowed))

    def rows_near(
        self, vector: NDArray[np.float32], n: int, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.integer]:
        """The same as numbers of mentions, rising; ``allowed`` is bool ``(documents,)``."""
        table = self.table
        look = self._look(vector, max(_TIMES * n, len(table) // _SHARE))
        near = look.mentions[look.values >= _reached(look.values, n)]
        if allowed is None or allowed.all():
            return np.sort(near)
        may = np.repeat(allowed, np.diff(table.first))
        if np.count_nonzero(may) <= _LITTLE * n:
            return np.union1d(near, np.flatnonzero(may))
        if np.count_nonzero(may[look.mentions]) < n:
            look = self._look(vector, len(table))
        its, values = look.mentions[may[look.mentions]], look.values[may[look.mentions]]
        return np.union1d(near, its[values >= _reached(values, n // 2)])

    def of_name(self, name: str) -> MentionTable:
        """All candidates that are spelled so, case aside."""
        name = name.casefold()
        alike = np.flatnonzero(self.table.last_words == last_word(name)).tolist()
        rows = [row for row in alike if self.table.text(row).casefold() == name]
        return self.table.only(np.asarray(rows, dtype=np.int64))

    def of_documents(self, ids: Iterable[str]) -> MentionTable:
        """All candidates of some documents; unknown ids are left out."""
        wanted = np.isin(self.table.owner, self.table.documents(ids))
        return self.table.only(np.flatnonzero(wanted))

    def pages(self, size: int) -> Iterator[MentionTable]:
        """All candidates, ``size`` at a time."""
        for start in range(0, len(self.table), size):
            yield self.table.only(np.arange(start, min(start + size, len(self.table))))

    def _look(self, vector: NDArray[np.float32], least: int) -> Look:
        """A look at ``least`` mentions or more, near ones: a coarse one where there are cells."""
        if self.table.cells is not None:
            return self.table.cells.look(vector, least)
        return Look(np.arange(len(self.table)), self.table.vectors @ vector)


def _reached(values: NDArray[np.float32], n: int) -> np.float32:
    """The value that about n of some reach."""
    if not len(values):
        return np.float32(0)
    sample = values[::_SAMPLED]
    place = max(0, len(sample) - n // _SAMPLED)
    reached: np.float32 = np.partition(sample, min(place, len(sample) - 1))[
        min(place, len(sample) - 1)
    ]
    return reached
