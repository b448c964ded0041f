"""The contents of an index: its documents, their number, and their encodings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.queries.bounds import check_int
from ner_retriever_rag.schema import (
    Document,
    EncodedText,
    is_utf8_encodable,
    require_text,
    type_name,
)
from ner_retriever_rag.search.encodings import load_or_encode
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.size import Storage, measure_storage

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.search.search import Search


class ReadMethods:
    """The read methods of ``EntityIndex``, except for its searches.

    Attributes:
        encoder: Encodes texts and type descriptions.
    """

    encoder: TypeAwareEncoder
    _store: DocumentStore
    _folder: Path | None
    _search: Search

    def documents(
        self, where: Mapping[str, Any] | None = None, *, batch: int = 1_000
    ) -> Iterator[Document]:
        """Stream the documents that pass a filter.

        Args:
            where: Chroma filter on the documents' metadata; None for all documents.
            batch: Number of documents to read at once.

        Raises:
            ValueError: If Chroma rejects ``where``, or ``batch`` is not positive.
        """
        for page in self._store.pages(where, check_int("batch", batch, 1)):
            yield from (record.document for record in page)

    def __len__(self) -> int:
        return self.count()

    def __contains__(self, doc_id: object) -> bool:
        return (
            isinstance(doc_id, str)
            and is_utf8_encodable(doc_id)
            and bool(self._store.fetch([doc_id]))
        )

    def get(self, ids: str | Iterable[str]) -> list[Document]:
        """Get documents by id, in the order given; unknown ids are left out."""
        wanted = check_ids(ids)
        found = self._store.fetch(dict.fromkeys(wanted))
        return [found[doc_id].document for doc_id in wanted if doc_id in found]

    def count(self) -> int:
        """The number of documents in the index."""
        return self._store.document_count()

    def mention_count(self) -> int:
        """The number of mentions in the index; on a server, including leftovers of a crash."""
        return self._search.mention_count()

    def storage(self) -> Storage:
        """Measure the storage of the index, compared with a sentence index of its documents."""
        return measure_storage(self._store, self._folder)

    def encoded(self, documents: Sequence[Document]) -> list[EncodedText]:
        """Mentions and vectors of documents, whether or not they are in the index.

        Documents stored under the same id with the same text are read, others are encoded now.

        Args:
            documents: The documents.

        Returns:
            One encoded text per document, in order.
        """
        return load_or_encode(self._store, self.encoder, documents)


def check_ids(ids: str | Iterable[str]) -> list[str]:
    """Validate one id or several, and return them as a list."""
    if not isinstance(ids, Iterable):
        raise TypeError(f"ids must be a string or a list of strings, not {type_name(ids)}")
    wanted = [ids] if isinstance(ids, str) else list(ids)
    for doc_id in wanted:
        require_text(doc_id, "ids")
    return wanted
