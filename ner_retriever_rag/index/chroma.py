"""Opening Chroma: a folder, memory or a server, and the two collections of an index in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

FORMAT = 1
FORMAT_KEY, FINGERPRINT_KEY = "ner:format", "ner:fingerprint"
ENCODER_KEY, DIM_KEY, DTYPE_KEY = "ner:encoder", "ner:dim", "ner:dtype"
JOURNAL_KEY, REVISION_KEY = "ner:journal", "ner:revision"
# ef_search can be set at creation only; more than Chroma's 100 since searches fetch many
# mentions a document. Cosine: Chroma's default is l2.
_HNSW: Any = {"space": "cosine", "ef_construction": 128, "ef_search": 256, "max_neighbors": 16}


def connect(path: str | Path | None) -> ClientAPI:
    """Open a folder (made if needed), or a database in memory for None.

    Raises:
        ValueError: If the folder holds something else than an index of this package.
        OSError: If the folder cannot be made or written.
    """
    import chromadb

    if path is None:
        return chromadb.EphemeralClient()
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"path: the index folder {folder} cannot be made: {error}") from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"path: the index folder {folder} cannot be written")
    contents = {entry.name for entry in folder.iterdir()}
    if contents and "chroma.sqlite3" not in contents:
        raise ValueError(f"path: {folder} holds other files and no index; give an empty folder")
    try:
        client = chromadb.PersistentClient(folder)
        names = [collection.name for collection in client.list_collections()]
        ours = any(FORMAT_KEY in (each.metadata or {}) for each in client.list_collections())
    except Exception as error:  # Chroma raises its own, sqlite's and Rust's errors here
        raise ValueError(f"path: {folder} cannot be opened as an index: {error}") from error
    if names and not ours:
        raise ValueError(
            f"path: {folder} is a Chroma database of something else (collections "
            f"{', '.join(names)}); give another folder, or pass it on purpose as client="
        )
    return client


def open_collections(
    client: ClientAPI, name: str | None, manifest: dict[str, Any]
) -> tuple[Collection, Collection]:
    """Get or create an index's two collections, documents first.

    Args:
        client: Any Chroma client.
        name: The index's name; None for one that nothing else has.
        manifest: What a new index records and an old one has to agree with.

    Raises:
        ValueError: If the name cannot be used, or the index there was made by another encoder,
            another version of the package, or something else.
    """
    name = name or f"ner-{uuid4().hex}"
    existing = {collection.name: collection for collection in client.list_collections()}
    for each in (name, f"{name}-mentions"):
        if each in existing:
            _check_manifest(each, existing[each].metadata or {}, manifest)
    try:
        documents, mentions = (
            client.get_or_create_collection(
                each,
                # An existing collection keeps its metadata (and so its journal).
                metadata=None if each in existing else manifest,
                embedding_function=None,
                configuration=None if each in existing else {"hnsw": _HNSW},
            )
            for each in (name, f"{name}-mentions")
        )
    except Exception as error:  # the client's errors differ between folder and server
        raise ValueError(f"collection {name!r} cannot be opened: {error}") from error
    return documents, mentions


def recorded_dtype(client: ClientAPI, name: str) -> str:
    """The dtype an existing index's encoder ran in; ``"auto"`` where there is no such index."""
    for collection in client.list_collections():
        if collection.name == f"{name}-mentions":
            return str((collection.metadata or {}).get(DTYPE_KEY, "auto"))
    return "auto"


def _check_manifest(name: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    if FORMAT_KEY not in found:
        raise ValueError(f"collection {name!r} exists and was made by something else")
    if found[FORMAT_KEY] != wanted[FORMAT_KEY]:
        raise ValueError(
            f"the index {name!r} has format {found[FORMAT_KEY]}, this version of "
            f"ner_retriever_rag reads format {wanted[FORMAT_KEY]}: index the documents again"
        )
    if found[FINGERPRINT_KEY] != wanted[FINGERPRINT_KEY]:
        raise ValueError(
            f"the index {name!r} was made with the encoder {found[ENCODER_KEY]} (fingerprint "
            f"{found[FINGERPRINT_KEY]}), not with {wanted[ENCODER_KEY]} (fingerprint "
            f"{wanted[FINGERPRINT_KEY]}): open it with that encoder, or index again elsewhere"
        )
