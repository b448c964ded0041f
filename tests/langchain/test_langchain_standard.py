"""The standard test suites of langchain-tests."""

import pytest
from langchain_core.documents import Document
from langchain_tests.integration_tests import RetrieversIntegrationTests
from langchain_tests.integration_tests.indexer import (
    AsyncDocumentIndexTestSuite,
    DocumentIndexerTestSuite,
)

from ner_retriever_rag import EntityIndex, NERTypeRetriever
from ner_retriever_rag.langchain import EntityDocumentIndex

pytestmark = pytest.mark.filterwarnings("ignore:The class `DocumentIndex`")


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _indexed(self, documents, shipped_encoder):
        self._index = EntityIndex(encoder=shipped_encoder)
        NERTypeRetriever(index=self._index).add_documents(documents)

    @property
    def retriever_constructor(self):
        return NERTypeRetriever

    @property
    def retriever_constructor_params(self):
        return {"index": self._index}

    @property
    def retriever_query_example(self):
        return "dinosaur"


class TestDocumentIndex(DocumentIndexerTestSuite):
    @pytest.fixture
    def index(self, tiny_encoder):
        yield EntityDocumentIndex(index=EntityIndex(encoder=tiny_encoder))


class TestAsyncDocumentIndex(AsyncDocumentIndexTestSuite):
    @pytest.fixture
    async def index(self, tiny_encoder):
        yield EntityDocumentIndex(index=EntityIndex(encoder=tiny_encoder))


def test_document_index_rejects_unknown_keywords(tiny_encoder):
    index = EntityDocumentIndex(index=EntityIndex(encoder=tiny_encoder))
    with pytest.raises(TypeError, match="colour"):
        index.delete(["1"], colour="red")
    with pytest.raises(TypeError, match="colour"):
        index.get(["1"], colour="red")
    with pytest.raises(TypeError, match="colour"):
        index.upsert([Document("Oslo")], colour="red")
