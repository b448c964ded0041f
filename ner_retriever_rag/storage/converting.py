"""Convert a folder's indexes to the format that Chroma searches, for a server of the folder.

Documents stay in place. Their mentions are copied, one per row, into a new collection, which takes
the old one's name once it is complete; nothing is encoded. An interrupted conversion starts over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.storage import chroma
from ner_retriever_rag.storage.encodings import stored_encodings
from ner_retriever_rag.storage.engine_store import Describe, EngineStore
from ner_retriever_rag.storage.place import Place
from ner_retriever_rag.storage.roles import DOCUMENTS, FORMAT_KEY, MENTIONS_SUFFIX, role_of
from ner_retriever_rag.storage.store import Store

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_NEW, _OLD = "-searched", "-mentions-before"
_PAGE = 500  # documents


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The encoder of an index, as recorded in the index."""

    metadata: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        return str(self.metadata[chroma.FINGERPRINT_KEY])

    @property
    def description(self) -> str:
        return str(self.metadata[chroma.ENCODER_KEY])

    @property
    def dim(self) -> int:
        return int(self.metadata[chroma.DIM_KEY])

    @property
    def dtype(self) -> str:
        return str(self.metadata[chroma.DTYPE_KEY])

    @property
    def similarity(self) -> str:
        return str(self.metadata.get(chroma.SIMILARITY_KEY, "cosine"))

    def understands(self, fingerprint: str) -> bool:
        return fingerprint == self.fingerprint


def convert(folder: Path, describe: Describe) -> dict[str, int]:
    """Convert the indexes in a folder to Chroma's search, except those beside a collection.

    Args:
        folder: The folder.
        describe: Returns the metadata that ranking needs of each mention.

    Returns:
        The number of documents of each converted index, by its name.

    Raises:
        RuntimeError: If another process has the folder open, or its files are damaged.
    """
    place, done = Place(folder), dict[str, int]()
    with place.opening():
        pass
    try:
        for name in _names(place.client):
            with place.writing():
                if (documents := _converted(place, name, describe)) is not None:
                    done[name] = documents
    finally:
        place.close()
    return done


def _names(client: ClientAPI) -> list[str]:
    """Return the names of the indexes, including any whose conversion was interrupted."""
    there = {each.name: dict(each.metadata or {}) for each in client.list_collections()}
    return sorted(
        name
        for name in there
        if role_of(name, there) == DOCUMENTS
        and any(f"{name}{end}" in there for end in (MENTIONS_SUFFIX, _OLD))
    )


def _converted(place: Place, name: str, describe: Describe) -> int | None:
    """Convert one index; return its number of documents, or None if there is nothing to do."""
    client = place.client
    there = {each.name: each for each in client.list_collections()}
    old, new, mentions = (f"{name}{end}" for end in (_OLD, _NEW, MENTIONS_SUFFIX))
    if old not in there:
        recorded = there[mentions].metadata or {}
        if recorded.get(FORMAT_KEY) == chroma.SEARCHED or chroma.BESIDE_KEY in recorded:
            return None
        if new in there:  # incomplete, from an earlier attempt
            client.delete_collection(new)
        _copy(place, name, new, _Recorded(recorded), describe)
        client.get_collection(mentions, embedding_function=None).modify(name=old)
    documents = client.get_collection(name, embedding_function=None)
    if new in {each.name for each in client.list_collections()}:
        client.get_collection(new, embedding_function=None).modify(name=mentions)
    documents.modify(metadata={**(documents.metadata or {}), FORMAT_KEY: chroma.SEARCHED})
    client.delete_collection(old)
    return documents.count()


def _copy(place: Place, name: str, new: str, encoder: _Recorded, describe: Describe) -> None:
    """Copy the mentions of an index, one per row, and mark its documents for sampling."""
    store = Store.within(place, name, encoder)
    store.recover()
    rows = chroma.searched_collection(place.client, new, EngineStore.manifest_of(encoder))
    searched = EngineStore(place, place.client.get_collection(name, embedding_function=None), rows)
    searched.describe = describe
    for page in store.pages(size=_PAGE):
        records = {record.doc_id: record for record in page}
        encoded = stored_encodings(store, records, encoder.dim)
        searched.rewrite([(records[doc_id], one) for doc_id, one in encoded.items()], records)
