"""The ``merge`` and ``split`` methods: user decisions on which names are one entity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ner_retriever_rag.index.decisions import Decisions, check_names

if TYPE_CHECKING:
    from ner_retriever_rag.storage.place import Place
    from ner_retriever_rag.storage.protocol import DocumentStore
    from ner_retriever_rag.storage.shards import Places


class DecisionMethods:
    """The name-decision methods of ``EntityIndex``; ``entities`` applies the decisions."""

    _place: Place | Places
    _store: DocumentStore

    def decisions(self) -> Decisions:
        """The decisions made about names by ``merge`` and ``split``."""
        return Decisions.read(self._store.texts)

    def merge(self, *names: str) -> Decisions:
        """Decide that names are one entity, wherever they occur.

        The decision is stored in the index, for every process that opens it. It overrides the
        rules of ``entities`` and reverts earlier splits of these names. A single name makes all
        its mentions one entity, whatever their contexts.

        Args:
            *names: The names; spelling variants of a name are included automatically.

        Returns:
            All current decisions.

        Raises:
            TypeError: If a name is not a string.
            ValueError: If there are no names, or one is empty.
            RuntimeError: As ``add``.
        """
        return self._decide(lambda before: before.with_merged(check_names(names, 1)))

    def split(self, *names: str) -> Decisions:
        """Decide that names are separate entities, wherever they occur.

        Args:
            *names: Two names or more.

        Returns:
            As ``merge``.

        Raises:
            TypeError: As ``merge``.
            ValueError: If there are fewer than two, not counting spelling variants.
            RuntimeError: As ``add``.
        """
        return self._decide(lambda before: before.with_split(check_names(names, 2)))

    def undecide(self, *names: str) -> Decisions:
        """Remove the decisions about some names, so that the rules apply to them again.

        Args:
            *names: The names.

        Returns:
            As ``merge``.

        Raises:
            TypeError: As ``merge``.
            ValueError: As ``merge``.
            RuntimeError: As ``add``.
        """
        return self._decide(lambda before: before.without(check_names(names, 1)))

    def _decide(self, decide: Callable[[Decisions], Decisions]) -> Decisions:
        with self._place.writing():
            self._store.recover()
            decided = decide(self.decisions())
            decided.write(self._store.texts)
        return decided
