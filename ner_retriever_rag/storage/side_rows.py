"""An additional collection of an index, created when it is first written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ner_retriever_rag.storage.chroma import FORMAT
from ner_retriever_rag.storage.collection import Rows
from ner_retriever_rag.storage.retry import call_with_retry
from ner_retriever_rag.storage.roles import FORMAT_KEY, ROLE_KEY

if TYPE_CHECKING:
    from ner_retriever_rag.storage.place import Place


class SideRows:
    """The rows of an additional collection.

    Args:
        place: Where the index is.
        name: The collection's name.
        role: The collection's role.
    """

    def __init__(self, place: Place, name: str, role: str) -> None:
        self._place, self._name, self._role = place, name, role
        self._rows: Rows | None = None

    def get(self) -> Rows | None:
        """Return the rows if the collection exists, else None."""
        from chromadb.errors import NotFoundError

        client = self._place.client
        if self._rows is None:
            self._place.check()
            try:
                found = call_with_retry(
                    lambda: client.get_collection(self._name, embedding_function=None), client
                )
            except NotFoundError:
                return None
            if (found.metadata or {}).get(ROLE_KEY) == self._role:
                self._rows = Rows(self._place, found)
        return self._rows

    def get_or_create(self) -> Rows:
        """Return the rows, creating the collection if needed.

        Raises:
            ValueError: If something else has the collection's name.
        """
        client = self._place.client
        if (rows := self.get()) is not None:
            return rows
        created = call_with_retry(
            lambda: client.get_or_create_collection(
                self._name,
                metadata={FORMAT_KEY: FORMAT, ROLE_KEY: self._role},
                embedding_function=None,
                configuration={"hnsw": {"space": "l2"}},
            ),
            client,
        )
        if (created.metadata or {}).get(ROLE_KEY) != self._role:
            raise ValueError(
                f"{self._role} are stored in {self._name!r}, but that collection is something else"
            )
        self._rows = Rows(self._place, created)
        return self._rows
