"""Documents by their text vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.index.metadata import where_error

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

_PAGE = 5_000


class TextVectors:
    """Reads the documents collection of an index by its vectors.

    Args:
        documents: The collection; its vectors are the documents' text vectors.
    """

    def __init__(self, documents: Collection) -> None:
        self._documents = documents

    def nearest(
        self, vector: NDArray[np.float32], n: int, where: Mapping[str, Any] | None = None
    ) -> list[tuple[str, float]]:
        """The ids of the n documents nearest to a vector, best first, with their cosines."""
        try:
            rows = self._documents.query(
                query_embeddings=vector[None],
                n_results=max(1, min(n, self._documents.count())),
                where=dict(where) if where else None,
                include=["distances"],
            )
        except Exception as error:
            raise where_error(where, error) from error
        distances = (rows["distances"] or [[]])[0]
        pairs = zip(rows["ids"][0], distances, strict=True)
        return [(doc_id, 1.0 - distance) for doc_id, distance in pairs]

    def vectors(self, ids: list[str]) -> dict[str, NDArray[np.float32]]:
        """The text vectors of documents, by id."""
        found: dict[str, NDArray[np.float32]] = {}
        for start in range(0, len(ids), _PAGE):
            rows = self._documents.get(ids=ids[start : start + _PAGE], include=["embeddings"])
            embeddings = np.asarray(rows["embeddings"], dtype=np.float32)
            found.update(zip(rows["ids"], embeddings, strict=True))
        return found

    def ids(self, where: Mapping[str, Any] | None = None) -> Iterator[str]:
        """The ids of all documents that pass a filter."""
        filters: Any = dict(where) if where else None
        for offset in range(0, self._documents.count(), _PAGE):
            try:
                rows = self._documents.get(limit=_PAGE, offset=offset, where=filters, include=[])
            except Exception as error:
                raise where_error(where, error) from error
            if not rows["ids"]:
                return
            yield from rows["ids"]
