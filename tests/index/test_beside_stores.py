"""An index beside the Chroma stores of LangChain and LlamaIndex."""

import chromadb
import pytest
from external_collection import IDS, METADATA, content, vectors
from tiny import TEXTS

from ner_retriever_rag import EntityIndex


def test_index_beside_a_langchain_store(tmp_path, tiny_encoder):
    langchain_chroma = pytest.importorskip("langchain_chroma")
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding

    from ner_retriever_rag.langchain import NERTypeRetriever

    store = langchain_chroma.Chroma(
        "news", DeterministicFakeEmbedding(size=7), persist_directory=str(tmp_path)
    )
    documents = [
        Document(text, metadata=data, id=doc_id)
        for text, data, doc_id in zip(TEXTS, METADATA, IDS, strict=True)
    ]
    store.add_documents(documents)
    before, nearest = content(store._collection), store.similarity_search("city", k=5)
    index = EntityIndex.beside(store, encoder=tiny_encoder)
    index.sync()
    retriever = NERTypeRetriever(index=index, k=5)
    found = retriever.invoke("city", where={"lang": "en"})
    assert {each.id for each in found} == {"dino", "oslo", "nile"}
    by_id = {each.id: each for each in documents}
    for each in found:
        original = by_id[each.id]
        assert each.page_content == original.page_content
        assert each.metadata.items() >= original.metadata.items()
        for match in each.metadata["matches"]:
            assert original.page_content[match["start"] : match["end"]] == match["text"]
    assert content(store._collection) == before
    assert store.similarity_search("city", k=5) == nearest

    store.update_document("oslo", Document("Bergen is wet.", metadata={"lang": "no"}))
    store.delete(["nile"])
    assert {each.id for each in retriever.invoke("city")} == {"dino", "ada", "cities"}
    assert index.sync().deleted == 1
    found = retriever.invoke("city", where={"lang": "no"})
    assert [each.page_content for each in found] == ["Bergen is wet."]
    index.close()
    assert store.similarity_search("city", k=9)  # closing the index does not close their client


def test_index_beside_a_llama_index_store(tmp_path, tiny_encoder):
    chroma = pytest.importorskip("llama_index.vector_stores.chroma")
    from llama_index.core import MockEmbedding, VectorStoreIndex
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

    from ner_retriever_rag.llama_index import NERTypeRetriever

    client = chromadb.PersistentClient(tmp_path)
    store = chroma.ChromaVectorStore(chroma_collection=client.create_collection("news"))
    nodes = [
        TextNode(
            id_=doc_id,
            text=text,
            metadata=data,
            embedding=vector.tolist(),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="source")},
        )
        for doc_id, text, data, vector in zip(IDS, TEXTS, METADATA, vectors(5), strict=True)
    ]
    store.add(nodes)
    before = content(store._collection)
    index = EntityIndex.beside(store, encoder=tiny_encoder)
    index.sync()
    retriever = NERTypeRetriever(index, similarity_top_k=5)
    found = retriever.retrieve("city")
    by_id = {each.node_id: each for each in nodes}
    assert {each.node_id for each in found} == set(by_id)
    for each in found:
        original = by_id[each.node_id]
        assert each.node.text == original.text and each.node.metadata == original.metadata
        assert each.node.relationships == original.relationships
        for match in each.matches:
            assert original.text[match["start"] : match["end"]] == match["text"]
    assert content(store._collection) == before
    store.delete("source")
    assert retriever.retrieve("city") == []
    assert index.sync().deleted == 5

    over = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(5))
    with pytest.raises(TypeError, match="not .*MockEmbedding"):
        EntityIndex.beside(over._embed_model, encoder=tiny_encoder)
    assert EntityIndex.beside(over, encoder=tiny_encoder).count() == 0
