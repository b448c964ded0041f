"""Opening Chroma: a folder, memory or a server, and the two collections of an index in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from ner_retriever_rag.schema import kind_of
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

# 1 held the text among the metadata, and one journal for all writers; 2 held one mention a row. An
# index of 1 goes over to 2 with its next write; it cannot go over to 3, whose rows are wider. 4 is
# what Chroma itself searches, one mention a row again, with a graph that is asked.
FORMAT, ONE_A_ROW, SEARCHED = 3, 2, 4
FINGERPRINT_KEY = "ner:fingerprint"
TOKEN = "NER_RETRIEVER_TOKEN"  # the variable of the environment that has a server's token
ENCODER_KEY, DIM_KEY, DTYPE_KEY = "ner:encoder", "ner:dim", "ner:dtype"
SIMILARITY_KEY = "ner:similarity"  # where it is not the cosine
REVISION_KEY = "ner:revision"
TOGETHER_KEY = "ner:together"  # how many mentions a row holds; an index of format 2 does not say
BESIDE_KEY = "ner:beside"  # the collection whose documents an index is of, if it has none itself
# Can be set at creation only. Cosine: Chroma's default is l2. Documents are found by their text
# vectors. Mentions are all compared (mention_table.py); Chroma makes a graph of their rows
# nonetheless, which is cheap with few candidates for each link. It keeps Chroma's 16 neighbours:
# with 2 or 4 Chroma 1.5 ends the process, segmentation fault, when rows are deleted and written
# again. With l2 vectors come back as they were written; with cosine each row is made a unit vector.
_DOCUMENTS: Any = {"space": "cosine", "ef_construction": 128, "ef_search": 256, "max_neighbors": 16}
_MENTIONS: Any = {"space": "l2", "ef_construction": 16}
# Of the n nearest a search with ef_search 100 finds all but a few; for more it looks at n.
_SEARCHED: Any = {"space": "cosine", "ef_construction": 100, "ef_search": 100, "max_neighbors": 16}
# Chroma's work is by the row more than by the number: four vectors of 128 in one row are written in
# less than half the time of four rows, and a text with one mention wastes 1.5 kB. Of wider vectors
# fewer go into a row.
_TOGETHER, _WIDTH = 4, 512
_DESCRIBED = 60  # characters: Chroma's hosted service allows 256 bytes of metadata a collection


class VectorSource(Protocol):
    """What an index's vectors come from, as far as an index has to know it again."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever vectors would change."""

    @property
    def description(self) -> str:
        """What it is, for messages."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    @property
    def dtype(self) -> str:
        """What it computes in."""

    @property
    def similarity(self) -> str:
        """How mentions are compared with types: ``"cosine"``, or ``"inner product"``."""

    def understands(self, fingerprint: str) -> bool:
        """Whether vectors kept under a fingerprint are as its own."""


def is_address(path: str | Path | None) -> bool:
    """Whether a path is the address of a Chroma server."""
    return isinstance(path, str) and path.startswith(("http://", "https://"))


def made(folder: Path) -> Path:
    """Make a folder if needed, and see that an index can be in it.

    Raises:
        ValueError: If it holds something else than an index of this package.
        OSError: If it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"path: the index folder {folder} cannot be made: {error}") from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            f"path: the index folder {folder} cannot be written, and Chroma writes even where it "
            "is only read: open a copy of it, or have a process that may write it serve it to you "
            f"(ner-retriever serve {folder})"
        )
    contents = {entry.name for entry in folder.iterdir()} - OWN_FILES
    if contents and DATABASE not in contents:
        raise ValueError(f"path: {folder} holds other files and no index; give an empty folder")
    return folder


def connect(place: Path | str | None) -> ClientAPI:
    """Open a folder, a server by its address, or for None a database in memory.

    Raises:
        ValueError: If a folder holds something else than an index of this package.
        OSError: If no server answers.
    """
    import chromadb

    # Both for this client and those that others make later: Chroma wants the same settings of all.
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    if place is None:
        return _with_the_settings_there_are(chromadb.EphemeralClient, "ephemeral")
    if isinstance(place, str):
        return _connect_to_server(place)
    try:
        client = _with_the_settings_there_are(partial(chromadb.PersistentClient, place), str(place))
    except Exception as error:  # Chroma raises its own, sqlite's and Rust's errors here
        raise ValueError(f"path: {place} cannot be opened as an index: {error}") from error
    collections = client.list_collections()
    if collections and not any(FORMAT_KEY in (each.metadata or {}) for each in collections):
        client.close()  # type: ignore[attr-defined]
        raise ValueError(
            f"path: {place} is a Chroma database of something else (collections "
            f"{', '.join(each.name for each in collections)}); give another folder, or pass it "
            "on purpose as client="
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
            f"path: no Chroma server answers at {address} ({error}): see that it runs "
            "(ner-retriever serve DIR, or chroma run), that the address is right, and that "
            f"{TOKEN} is what it wants if it wants one"
        ) from error


def is_open(folder: Path) -> bool:
    """Whether this process has a database open by a path, exactly as that was given."""
    from chromadb.api.shared_system_client import SharedSystemClient

    return str(folder) in SharedSystemClient._identifier_to_system


def _with_the_settings_there_are(make: Callable[..., ClientAPI], identifier: str) -> ClientAPI:
    """Make a client; with the settings of one that this process has open there, if it has."""
    from chromadb.api.shared_system_client import SharedSystemClient

    there = SharedSystemClient._identifier_to_system.get(identifier)
    return make(settings=there.settings) if there else make()


def folder_of(client: ClientAPI) -> Path | None:
    """The folder that a client has open in this process; None in memory and on a server.

    Raises:
        TypeError: If it is no Chroma client, or one whose methods are coroutines.
    """
    if not hasattr(client, "get_or_create_collection"):
        raise TypeError(f"client must be a Chroma client, not {type(client).__name__}")
    if iscoroutinefunction(client.get_or_create_collection):
        raise TypeError("client must not be asynchronous: give chromadb.HttpClient(...)")
    settings = client.get_settings()
    embedded = settings.is_persistent and not is_server(client)
    return Path(settings.persist_directory) if embedded else None


def collection_of(store: Any) -> Any:
    """The Chroma collection in a vector store of LangChain or LlamaIndex, or what was given."""
    from chromadb.api.models.Collection import Collection

    store = getattr(store, "vector_store", store)  # of a LlamaIndex VectorStoreIndex
    inside = None if isinstance(store, Collection) else getattr(store, "_collection", None)
    return inside if isinstance(inside, Collection) else store


def is_server(client: ClientAPI) -> bool:
    """Whether a client asks a server, wherever that is."""
    return "FastAPI" in client.get_settings().chroma_api_impl


def client_of(collection: Collection) -> ClientAPI:
    """Another client of the database a collection is in, for the caller to close.

    Raises:
        TypeError: If it is no Chroma collection, or one whose methods are coroutines.
        ValueError: If it belongs to an index.
    """
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

    if not isinstance(collection, Collection):
        raise TypeError(
            "collection must be a chromadb Collection that is not asynchronous, or a vector store "
            f"with such a _collection (langchain_chroma.Chroma, ChromaVectorStore), not "
            f"{kind_of(collection)}"
        )
    if FORMAT_KEY in (collection.metadata or {}):
        raise ValueError(f"collection {collection.name!r} is an index itself: open it as one")
    # There is no public way from a collection to its database.
    settings = collection._client.get_settings()
    return Client(collection.tenant, collection.database, settings)


def manifest_of(encoder: VectorSource) -> dict[str, Any]:
    """What an index made with an encoder records of it."""
    other = encoder.similarity != "cosine"
    return {
        **({SIMILARITY_KEY: encoder.similarity} if other else {}),
        FORMAT_KEY: FORMAT,
        TOGETHER_KEY: max(1, min(_TOGETHER, _WIDTH // encoder.dim)),
        FINGERPRINT_KEY: encoder.fingerprint,
        ENCODER_KEY: encoder.description,
        DIM_KEY: encoder.dim,
        DTYPE_KEY: encoder.dtype,
    }


def searched_manifest_of(encoder: VectorSource) -> dict[str, Any]:
    """The same, of an index that Chroma searches."""
    manifest = {**manifest_of(encoder), FORMAT_KEY: SEARCHED, TOGETHER_KEY: 1}
    return {**manifest, ENCODER_KEY: encoder.description[:_DESCRIBED]}


def format_of(client: ClientAPI, name: str | None) -> int | None:
    """The format of an index; None where there is none of the name, or none of ours."""
    format_ = _manifest_found(client, name).get(FORMAT_KEY)
    return None if format_ is None else int(format_)


def _manifest_found(client: ClientAPI, name: str | None) -> Mapping[str, Any]:
    """What the mentions' collection of an index says; empty where there is none."""
    found = {each.name: each.metadata or {} for each in client.list_collections()}
    return found.get(f"{name}-mentions", {})


def require_searched(client: ClientAPI, name: str | None) -> None:
    """See that an index on a server, if it is there, is one that Chroma can search.

    Raises:
        ValueError: If it is of an older version of this package, or beside a collection.
    """
    if theirs := _manifest_found(client, name).get(BESIDE_KEY):
        raise ValueError(_of_another_kind(name, theirs))
    found = format_of(client, name)
    if found is not None and found < SEARCHED:
        raise ValueError(
            f"the index {name!r} on the server has format {found}, of which Chroma cannot search "
            f"the mentions: rebuild it under another name, EntityIndex(..., "
            f"collection='{name}-{SEARCHED}').add(documents); where ner-retriever serve has its "
            "folder, stop that and start it again: it brings indexes over, and encodes nothing"
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
        name: The index's name; None for one that nothing else has.
        manifest: What a new index records and an old one has to agree with.
        understands: Whether vectors kept under a fingerprint are as the encoder's.

    Raises:
        ValueError: If the name cannot be used, or the index there was made by another encoder,
            another version of the package, or something else.
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
    except Exception as error:  # the client's errors differ between folder and server
        raise ValueError(f"collection {name!r} cannot be opened: {error}") from error
    return documents, mentions


def searched_collection(client: ClientAPI, name: str, manifest: dict[str, Any]) -> Collection:
    """A new collection of mentions that Chroma searches."""
    hnsw: Any = {"hnsw": _searched_by(manifest)}
    return client.create_collection(
        name,
        metadata={**manifest, ROLE_KEY: MENTIONS},
        embedding_function=None,
        configuration=hnsw,
    )


def _searched_by(manifest: Mapping[str, Any]) -> Any:
    """The graph of mentions that Chroma searches as the encoder compares them."""
    if SIMILARITY_KEY in manifest:  # by cosine each vector would be made a unit vector
        return {**_SEARCHED, "space": "ip"}
    return _SEARCHED


def require_index(path: str | Path, name: str) -> None:
    """See that an index is there, without making anything.

    Args:
        path: A folder, or the address of a server.
        name: The index's name.

    Raises:
        FileNotFoundError: If it is not.
    """
    if is_address(path):
        names = {each.name for each in connect(str(path)).list_collections()}
        if name not in names:
            raise FileNotFoundError(f"path: no index {name!r} on the server at {path}")
    elif not (Path(path) / DATABASE).is_file():
        raise FileNotFoundError(
            f"there is no index in {path}; EntityIndex(path) or `ner-retriever index` makes one"
        )
    elif name not in (found := index_names(Path(path))) and found:
        raise FileNotFoundError(f"there is no index {name!r} in {path}, only {', '.join(found)}")


def _of_another_kind(name: str | None, theirs: object) -> str:
    """What is said of an index that is beside a collection, or is not."""
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
            f"{wanted[DIM_KEY]}): open it with that encoder, or index again elsewhere"
        )
