"""Open Chroma (a folder, memory or a server) and the two collections of an index in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from ner_retriever_rag.schema import type_name
from ner_retriever_rag.storage.lock import OWN_FILES
from ner_retriever_rag.storage.roles import (
    DATABASE,
    DOCUMENTS,
    FORMAT_KEY,
    MENTIONS,
    MENTIONS_SUFFIX,
    ROLE_KEY,
    check_name,
    check_role,
    index_names,
)

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

# Format 1 kept the text in the metadata, and one journal for all writers; format 2 had one mention
# per row. The next write upgrades an index from 1 to 2; it cannot be upgraded to 3, whose rows are
# wider. Format 4 is searched by Chroma itself: one mention per row again, with a graph in use.
FORMAT, ONE_PER_ROW, SEARCHED = 3, 2, 4
FINGERPRINT_KEY = "ner:fingerprint"
TOKEN = "NER_RETRIEVER_TOKEN"  # environment variable with a server's token
ENCODER_KEY, DIM_KEY, DTYPE_KEY = "ner:encoder", "ner:dim", "ner:dtype"
SIMILARITY_KEY = "ner:similarity"  # only if it is not cosine
REVISION_KEY = "ner:revision"
PER_ROW_KEY = "ner:together"  # mentions per row; not recorded in an index of format 2
BESIDE_KEY = "ner:beside"  # the collection with the index's documents, if the index has none itself
# Fixed at creation. Documents are searched by text vector, with cosine; Chroma's default is l2.
# Mentions are compared exhaustively (mention_table.py). Chroma builds a graph of their rows anyway,
# which is cheap with a low ef_construction. max_neighbors stays at Chroma's default of 16: with 2
# or 4, Chroma 1.5 ends the process with a segmentation fault when rows are deleted and written
# again. With l2, vectors come back as they were written; with cosine, each row is normalized.
_DOCUMENTS: Any = {"space": "cosine", "ef_construction": 128, "ef_search": 256, "max_neighbors": 16}
_MENTIONS: Any = {"space": "l2", "ef_construction": 16}
# With ef_search 100 a search finds all but a few of the n nearest; for n above 100, ef is n.
_SEARCHED: Any = {"space": "cosine", "ef_construction": 100, "ef_search": 100, "max_neighbors": 16}
# With inner product the graph leaves vectors unreachable: among 80 random vectors 3 to 6% of the
# five nearest, with these values none (but among 5,000 0.4 of them, instead of 0.56).
_SEARCHED_BY_PRODUCT: Any = {
    "space": "ip", "ef_construction": 200, "ef_search": 400, "max_neighbors": 64,
}  # fmt: skip
# Chroma's cost depends on the number of rows more than on their width: four vectors of 128 in one
# row are written in less than half the time of four rows, and a text with one mention wastes 1.5
# kB. Wider vectors are packed fewer to a row.
_MAX_PER_ROW, _WIDTH = 4, 512
# Characters; Chroma's hosted service allows 256 bytes of metadata per collection.
_MAX_DESCRIPTION = 60


class VectorSource(Protocol):
    """The encoder of an index's vectors, as far as an index needs to recognize it."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint that changes whenever vectors would change."""

    @property
    def description(self) -> str:
        """Description of the encoder, for messages."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    @property
    def dtype(self) -> str:
        """The data type it computes in."""

    @property
    def similarity(self) -> str:
        """How mentions are compared with types: ``"cosine"``, or ``"inner product"``."""

    def understands(self, fingerprint: str) -> bool:
        """Whether vectors stored under a fingerprint are equivalent to its own."""


def is_address(path: str | Path | None) -> bool:
    """Whether a path is the address of a Chroma server."""
    return isinstance(path, str) and path.startswith(("http://", "https://"))


def ensure_folder(folder: Path) -> Path:
    """Create a folder if needed, and check that it can hold an index.

    Raises:
        ValueError: If it holds something other than an index of this package.
        OSError: If it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"path: the index folder {folder} cannot be created: {error}") from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            f"path: the index folder {folder} cannot be written, and Chroma writes even when it "
            "only reads: open a copy, or have a process with write access serve the folder "
            f"(ner-retriever serve {folder})"
        )
    contents = {entry.name for entry in folder.iterdir()} - OWN_FILES
    if contents and DATABASE not in contents:
        raise ValueError(f"path: {folder} holds other files and no index; choose an empty folder")
    return folder


def connect(place: Path | str | None) -> ClientAPI:
    """Open a folder, a server by its address or, for None, a database in memory.

    Raises:
        ValueError: If a folder holds something other than an index of this package.
        OSError: If no server answers.
    """
    import chromadb

    # For this client and any that others create later: Chroma requires equal settings for all.
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    if place is None:
        return _with_existing_settings(chromadb.EphemeralClient, "ephemeral")
    if isinstance(place, str):
        return _connect_to_server(place)
    try:
        client = _with_existing_settings(partial(chromadb.PersistentClient, place), str(place))
    except Exception as error:  # Chroma raises its own, sqlite's and Rust's errors here
        raise ValueError(f"path: {place} cannot be opened as an index: {error}") from error
    collections = client.list_collections()
    if collections and not any(FORMAT_KEY in (each.metadata or {}) for each in collections):
        client.close()  # type: ignore[attr-defined]
        raise ValueError(
            f"path: {place} is a Chroma database of something else (collections "
            f"{', '.join(each.name for each in collections)}); choose another folder, or pass it "
            "explicitly as client="
        )
    return client


def _connect_to_server(address: str) -> ClientAPI:
    import chromadb

    parts = urlsplit(address)
    ssl = parts.scheme == "https"
    token = os.environ.get(TOKEN)
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        return chromadb.HttpClient(
            parts.hostname or "", parts.port or (443 if ssl else 8000), ssl=ssl, headers=headers
        )
    except Exception as error:
        raise ConnectionError(
            f"path: no Chroma server answers at {address} ({error}): check that it is running "
            "(ner-retriever serve DIR, or chroma run), that the address is right and, if it "
            f"requires a token, that {TOKEN} holds it"
        ) from error


def is_open(folder: Path) -> bool:
    """Whether this process has a database open under exactly this path."""
    from chromadb.api.shared_system_client import SharedSystemClient

    return str(folder) in SharedSystemClient._identifier_to_system


def _with_existing_settings(make: Callable[..., ClientAPI], identifier: str) -> ClientAPI:
    """Create a client, with the settings of one that this process has open there, if any."""
    from chromadb.api.shared_system_client import SharedSystemClient

    there = SharedSystemClient._identifier_to_system.get(identifier)
    return make(settings=there.settings) if there else make()


def folder_of(client: ClientAPI) -> Path | None:
    """Return the folder that a client has open in this process; None for memory or a server.

    Raises:
        TypeError: If it is not a Chroma client, or an asynchronous one.
    """
    if not hasattr(client, "get_or_create_collection"):
        raise TypeError(f"client must be a Chroma client, not {type(client).__name__}")
    if iscoroutinefunction(client.get_or_create_collection):
        raise TypeError("client must not be asynchronous: use chromadb.HttpClient(...)")
    settings = client.get_settings()
    embedded = settings.is_persistent and not is_server(client)
    return Path(settings.persist_directory) if embedded else None


def collection_of(store: Any) -> Any:
    """Return the Chroma collection of a LangChain or LlamaIndex store, or the argument itself."""
    from chromadb.api.models.Collection import Collection

    store = getattr(store, "vector_store", store)  # of a LlamaIndex VectorStoreIndex
    inside = None if isinstance(store, Collection) else getattr(store, "_collection", None)
    return inside if isinstance(inside, Collection) else store


def is_server(client: ClientAPI) -> bool:
    """Whether a client talks to a server, wherever that runs."""
    return "FastAPI" in client.get_settings().chroma_api_impl


def client_of(collection: Collection) -> ClientAPI:
    """Return another client of a collection's database, for the caller to close.

    Raises:
        TypeError: If it is not a Chroma collection, or an asynchronous one.
        ValueError: If it belongs to an index.
    """
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

    if not isinstance(collection, Collection):
        raise TypeError(
            "collection must be a synchronous chromadb Collection, or a vector store that has one "
            f"as its _collection (langchain_chroma.Chroma, ChromaVectorStore), not "
            f"{type_name(collection)}"
        )
    if FORMAT_KEY in (collection.metadata or {}):
        raise ValueError(f"collection {collection.name!r} is an index itself: open it as one")
    # There is no public way from a collection to its database.
    settings = collection._client.get_settings()
    return Client(collection.tenant, collection.database, settings)


def manifest_of(encoder: VectorSource) -> dict[str, Any]:
    """Return what an index records of the encoder it is created with."""
    other = encoder.similarity != "cosine"
    return {
        **({SIMILARITY_KEY: encoder.similarity} if other else {}),
        FORMAT_KEY: FORMAT,
        PER_ROW_KEY: max(1, min(_MAX_PER_ROW, _WIDTH // encoder.dim)),
        FINGERPRINT_KEY: encoder.fingerprint,
        ENCODER_KEY: encoder.description,
        DIM_KEY: encoder.dim,
        DTYPE_KEY: encoder.dtype,
    }


def searched_manifest_of(encoder: VectorSource) -> dict[str, Any]:
    """As ``manifest_of``, for an index that Chroma searches."""
    manifest = {**manifest_of(encoder), FORMAT_KEY: SEARCHED, PER_ROW_KEY: 1}
    return {**manifest, ENCODER_KEY: encoder.description[:_MAX_DESCRIPTION]}


def format_of(client: ClientAPI, name: str | None) -> int | None:
    """Return the format of an index; None if there is no index of that name, or not one of ours."""
    format_ = _manifest_found(client, name).get(FORMAT_KEY)
    return None if format_ is None else int(format_)


def _manifest_found(client: ClientAPI, name: str | None) -> Mapping[str, Any]:
    """Return the metadata of an index's mentions collection; empty if there is none."""
    found = {each.name: each.metadata or {} for each in client.list_collections()}
    return found.get(f"{name}-mentions", {})


def require_searched(client: ClientAPI, name: str | None) -> None:
    """Check that an index on a server, if there is one, can be searched by Chroma.

    Raises:
        ValueError: If an older version of this package made it, or it is beside a collection.
    """
    if theirs := _manifest_found(client, name).get(BESIDE_KEY):
        raise ValueError(_of_another_kind(name, theirs))
    found = format_of(client, name)
    if found is not None and found < SEARCHED:
        raise ValueError(
            f"the index {name!r} on the server has format {found}, whose mentions Chroma cannot "
            f"search: rebuild it under another name, EntityIndex(..., "
            f"collection='{name}-{SEARCHED}').add(documents); if ner-retriever serve serves its "
            "folder, restart it instead: it converts indexes without encoding anything"
        )


def open_collections(
    client: ClientAPI,
    name: str | None,
    manifest: dict[str, Any],
    understands: Callable[[str], bool],
) -> tuple[Collection, Collection]:
    """Get or create an index's two collections, documents first.

    Args:
        client: Any Chroma client.
        name: The index's name; None for a new unique one.
        manifest: What a new index records and an existing one must match.
        understands: Whether vectors stored under a fingerprint are equivalent to the encoder's.

    Raises:
        ValueError: If the name cannot be used, or the index there was made with another encoder,
            by another version of the package, or by something else.
    """
    name = name or f"ner-{uuid4().hex}"
    existing = {each.name: dict(each.metadata or {}) for each in client.list_collections()}
    roles = {name: DOCUMENTS, f"{name}{MENTIONS_SUFFIX}": MENTIONS}
    for each, role in roles.items():
        if each in existing:
            check_role(each, role, existing)
            _check_manifest(each, existing[each], manifest, understands)
    if name not in existing:
        check_name(name)
    searched = manifest[FORMAT_KEY] == SEARCHED
    graphs = _DOCUMENTS, _searched_by(manifest) if searched else _MENTIONS
    try:
        documents, mentions = (
            client.get_or_create_collection(
                each,
                # An existing collection keeps its metadata.
                metadata=None if each in existing else {**manifest, ROLE_KEY: role},
                embedding_function=None,
                configuration=None if each in existing else {"hnsw": graph},
            )
            for (each, role), graph in zip(roles.items(), graphs, strict=True)
        )
    except Exception as error:  # the client's errors differ between folders and servers
        raise ValueError(f"collection {name!r} cannot be opened: {error}") from error
    return documents, mentions


def searched_collection(client: ClientAPI, name: str, manifest: dict[str, Any]) -> Collection:
    """Create a collection of mentions that Chroma searches."""
    hnsw: Any = {"hnsw": _searched_by(manifest)}
    return client.create_collection(
        name,
        metadata={**manifest, ROLE_KEY: MENTIONS},
        embedding_function=None,
        configuration=hnsw,
    )


def _searched_by(manifest: Mapping[str, Any]) -> Any:
    """Return graph settings for searching mentions with the encoder's similarity."""
    if SIMILARITY_KEY in manifest:  # with cosine, each vector would be normalized
        return _SEARCHED_BY_PRODUCT
    return _SEARCHED


def require_index(path: str | Path, name: str) -> None:
    """Check that an index exists, without creating anything.

    Args:
        path: A folder, or the address of a server.
        name: The index's name.

    Raises:
        FileNotFoundError: If it does not.
    """
    if is_address(path):
        names = {each.name for each in connect(str(path)).list_collections()}
        if name not in names:
            raise FileNotFoundError(f"path: no index {name!r} on the server at {path}")
    elif not (Path(path) / DATABASE).is_file():
        raise FileNotFoundError(
            f"there is no index in {path}; EntityIndex(path) or `ner-retriever index` creates one"
        )
    elif name not in (found := index_names(Path(path))) and found:
        raise FileNotFoundError(f"there is no index {name!r} in {path}, only {', '.join(found)}")


def _of_another_kind(name: str | None, theirs: object) -> str:
    """Return the message for an index that unexpectedly is, or is not, beside a collection."""
    way = f"EntityIndex.beside(the collection {theirs!r})" if theirs else "EntityIndex(...)"
    return f"collection {name!r} holds another kind of index: open it with {way}"


def _check_manifest(
    name: str, found: dict[str, Any], wanted: dict[str, Any], understands: Callable[[str], bool]
) -> None:
    if FORMAT_KEY not in found:
        raise ValueError(f"collection {name!r} exists and was made by something else")
    if found.get(BESIDE_KEY) != wanted.get(BESIDE_KEY):
        raise ValueError(_of_another_kind(name, found.get(BESIDE_KEY)))
    if found[FORMAT_KEY] not in range(1, SEARCHED + 1):
        raise ValueError(
            f"the index {name!r} has format {found[FORMAT_KEY]}, this version of "
            f"ner_retriever_rag reads formats 1 to {SEARCHED}: index the documents again"
        )
    if not understands(found[FINGERPRINT_KEY]) or found[DIM_KEY] != wanted[DIM_KEY]:
        raise ValueError(
            f"the index {name!r} was made with the encoder {found[ENCODER_KEY]} (fingerprint "
            f"{found[FINGERPRINT_KEY]}, vectors of {found[DIM_KEY]}), not with "
            f"{wanted[ENCODER_KEY]} (fingerprint {wanted[FINGERPRINT_KEY]}, vectors of "
            f"{wanted[DIM_KEY]}): open it with that encoder, or build a new index elsewhere"
        )
