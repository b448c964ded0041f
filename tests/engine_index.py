"""Indexes that are searched by Chroma, in an in-memory database instead of on a server."""

from uuid import uuid4

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.storage.chroma import connect
from ner_retriever_rag.storage.engine_store import EngineStore
from ner_retriever_rag.storage.place import Place


def engine_index(encoder, client=None, **options):
    """Create an index the way it is created on a server."""
    client, name = client or connect(None), f"engine-{uuid4().hex}"
    place = Place(None, client)
    with place.opening():
        EngineStore.within(place, name, encoder)
    place.close()
    return EntityIndex(client=client, collection=name, encoder=encoder, **options)
