"""The same index on a Chroma server, over HTTP on the loopback address."""

import pytest
from tiny import TEXTS

from ner_retriever_rag import Document, EntityIndex

pytestmark = pytest.mark.slow


def test_index_on_a_server_equals_a_local_one(server, tiny_encoder):
    index = EntityIndex(client=server, collection="news", encoder=tiny_encoder)
    documents = [Document(text, metadata={"n": n}) for n, text in enumerate(TEXTS)]
    assert index.add(documents).added == 5
    local = EntityIndex(encoder=tiny_encoder)
    local.add(documents)
    for options in ({}, {"exact": True}, {"where": {"n": {"$gte": 2}}}):
        remote = [match.doc_id for match in index.search("city", k=4, **options)]
        assert remote == [match.doc_id for match in local.search("city", k=4, **options)]
    assert index.delete([documents[0].id]) == 1
    again = EntityIndex(client=server, collection="news", encoder=tiny_encoder)
    assert again.count() == 4
    with pytest.raises(ValueError, match="where: Chroma rejects"):
        again.search("city", where={"n": {"$foo": 2}})
