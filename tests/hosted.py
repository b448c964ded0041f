"""A test double of Chroma's hosted service: an in-memory database that enforces its quotas."""

import json
import threading
from contextlib import contextmanager
from types import SimpleNamespace

from ner_retriever_rag.storage.chroma import connect

RECORDS, RESULTS, READERS, PREDICATES = 300, 300, 10, 8
ID, KEY, VALUE, KEYS, DOCUMENT, COLLECTION = 128, 36, 4_096, 32, 16_384, 256  # bytes, except KEYS


class QuotaError(Exception):
    """The error that the service raises."""


def check_quota(what, count, most):
    if count > most:
        raise QuotaError(f"{what}: {count} > {most}")


def size(value):
    return len(value.encode()) if isinstance(value, str) else len(json.dumps(value).encode())


def conditions(where):
    if not isinstance(where, dict):
        return 0
    return sum(
        sum(map(conditions, value)) if key in ("$and", "$or") else 1 for key, value in where.items()
    )


class HostedCollection:
    """A collection that checks every call against the limits."""

    def __init__(self, collection, service):
        self._collection, self._service = collection, service

    name = property(lambda self: self._collection.name)
    metadata = property(lambda self: self._collection.metadata)
    configuration = property(lambda self: self._collection.configuration)
    id = property(lambda self: self._collection.id)

    def modify(self, metadata=None, **others):
        check_quota("collection metadata", size(metadata or {}), COLLECTION)
        self._collection.modify(metadata=metadata, **others)

    def count(self):
        return self._collection.count()

    def upsert(self, ids, embeddings=None, metadatas=None, documents=None):
        check_quota("records", len(ids), RECORDS)
        for each in ids:
            check_quota("id", size(each), ID)
        for each in documents or ():
            check_quota("document", size(each or ""), DOCUMENT)
        for each in metadatas or ():
            held = {key: value for key, value in (each or {}).items() if value is not None}
            check_quota("metadata keys", len(held), KEYS)
            for key in each or {}:
                check_quota("key", size(key), KEY)
            for value in held.values():
                check_quota("value", size(value), VALUE)
        self._service.writes += 1
        self._collection.upsert(
            ids=ids, embeddings=embeddings, metadatas=metadatas, documents=documents
        )

    def delete(self, ids=None, where=None):
        check_quota("records", len(ids or ()), RECORDS)
        self._collection.delete(ids=ids, where=where)

    def get(self, ids=None, where=None, limit=None, **others):
        check_quota("records", len(ids or ()), RECORDS)
        check_quota("conditions", conditions(where), PREDICATES)
        if ids is None:
            check_quota("limit", RESULTS + 1 if limit is None else limit, RESULTS)
        with self._service.reading():
            return self._collection.get(ids=ids, where=where, limit=limit, **others)

    def query(self, query_embeddings=None, n_results=10, where=None, **others):
        check_quota("results", n_results, RESULTS)
        check_quota("conditions", conditions(where), PREDICATES)
        with self._service.reading():
            return self._collection.query(
                query_embeddings=query_embeddings, n_results=n_results, where=where, **others
            )


class HostedClient:
    """A client of the service."""

    def __init__(self):
        self._client, self._active_readers, self._lock = connect(None), 0, threading.Lock()
        self.writes = 0

    @contextmanager
    def reading(self):
        with self._lock:
            self._active_readers += 1
            check_quota("readers", self._active_readers, READERS)
        try:
            yield
        finally:
            with self._lock:
                self._active_readers -= 1

    def get_settings(self):
        # Settings of a server client, by which an index recognizes that Chroma searches.
        return SimpleNamespace(chroma_api_impl="chromadb.api.fastapi.FastAPI", is_persistent=False)

    def get_max_batch_size(self):
        return RECORDS

    def list_collections(self, **paging):
        return self._client.list_collections(**paging)

    def get_collection(self, name, **others):
        return HostedCollection(self._client.get_collection(name, **others), self)

    def create_collection(self, name, metadata=None, **others):
        check_quota("collection metadata", size(metadata or {}), COLLECTION)
        made = self._client.create_collection(name, metadata=metadata, **others)
        return HostedCollection(made, self)

    def get_or_create_collection(self, name, metadata=None, **others):
        check_quota("collection metadata", size(metadata or {}), COLLECTION)
        made = self._client.get_or_create_collection(name, metadata=metadata, **others)
        return HostedCollection(made, self)

    def delete_collection(self, name):
        self._client.delete_collection(name)

    def heartbeat(self):
        return self._client.heartbeat()

    def close(self):
        """Do nothing: the database is in memory."""
