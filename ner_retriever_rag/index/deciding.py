"""Say which names are one entity and which are two; the index remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ner_retriever_rag.index.decisions import Decisions, check_names

if TYPE_CHECKING:
    from ner_retriever_rag.storage.place import Place
    from ner_retriever_rag.storage.protocol import DocumentStore
    from ner_retriever_rag.storage.shards import Places


class Deciding:
    """What ``EntityIndex`` can be told about names; ``entities`` goes by it."""

    _place: Place | Places
    _store: DocumentStore

    def decisions(self) -> Decisions:
        """What ``merge`` and ``split`` decided about names."""
        return Decisions.read(self._store.texts)

    def merge(self, *names: str) -> Decisions:
        """Decide that names are one entity, wherever they stand.

        The index remembers it, for all who open it. It goes before the rules of ``entities`` and
        takes back what ``split`` said of these names. A single name says that all it names is one,
        whatever the contexts.

        Args:
            *names: The names; spellings of one go together by themselves.

        Returns:
            All decisions there are now.

        Raises:
            TypeError: If a name is not a string.
            ValueError: If there is none, or one is empty.
            RuntimeError: As ``add``.
        """
        return self._decide(lambda before: before.with_merged(check_names(names, 1)))

    def split(self, *names: str) -> Decisions:
        """Decide that names are as many entities, wherever they stand.

        Args:
            *names: Two names or more.

        Returns:
            As ``merge``.

        Raises:
            TypeError: As ``merge``.
            ValueError: If there are fewer than two that are not spellings of one.
            RuntimeError: As ``add``.
        """
        return self._decide(lambda before: before.with_split(check_names(names, 2)))

    def undecide(self, *names: str) -> Decisions:
        """Forget what ``merge`` and ``split`` said of names: the rules hold for them again.

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
