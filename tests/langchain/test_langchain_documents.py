"""Adding documents to an index through LangChain's interfaces."""

import pytest
from langchain_core.documents import Document

from ner_retriever_rag import Document as IndexedDocument
from ner_retriever_rag import EntityIndex, NERTypeRetriever
from ner_retriever_rag.langchain import EntityDocumentIndex


async def test_documents_are_added_read_and_deleted(tiny_encoder):
    retriever = await NERTypeRetriever.afrom_texts(
        ["Oslo is a city.", "The Nile is long."], [{"n": 1}, {"n": 2}], encoder=tiny_encoder
    )
    ids = await retriever.aadd_documents([Document("Malmö is a city.", metadata={"n": 3})])
    assert retriever.add_documents([Document("Malmö is a city.", metadata={"n": 3})]) == ids
    assert retriever.index.count() == 3
    assert await retriever.aget_by_ids(ids) == retriever.get_by_ids(ids)
    assert retriever.get_by_ids(ids)[0].metadata == {"n": 3}
    assert await retriever.adelete(ids) == 1
    assert retriever.delete(ids) == 0
    with pytest.raises(ValueError, match="metadatas is for 1"):
        NERTypeRetriever.from_texts(["a", "b"], [{}], encoder=tiny_encoder)
    again = await NERTypeRetriever.afrom_documents([Document("Oslo")], encoder=tiny_encoder, k=1)
    assert again.k == 1


def test_documents_are_added_to_an_existing_index(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    retriever = NERTypeRetriever.from_documents([Document("Oslo")], index=index)
    NERTypeRetriever.from_texts(["The Nile"], index=index)
    assert retriever.index is index and index.count() == 2
    with pytest.raises(ValueError, match="not both"):
        NERTypeRetriever.from_documents([], index=index, encoder=tiny_encoder)
    with pytest.raises(TypeError, match="index must be an EntityIndex, not a str"):
        NERTypeRetriever.from_documents([], index="folder")


def test_documents_are_written_to_a_given_client(tiny_encoder):
    import chromadb

    client, name = chromadb.EphemeralClient(), "langchain-client"
    given = {"client": client, "collection": name, "encoder": tiny_encoder}
    NERTypeRetriever.from_texts(["Oslo is a city."], **given)
    assert name in {each.name for each in client.list_collections()}
    again = NERTypeRetriever.from_documents([], **given)
    assert [each.page_content for each in again.invoke("city")] == ["Oslo is a city."]


@pytest.mark.parametrize(
    ("documents", "error", "message"),
    [
        ("Nile", TypeError, "documents must be a list of documents, not one str"),
        (
            Document("Nile"),
            TypeError,
            "documents must be a list of documents, not one langchain_core",
        ),
        (
            [Document("Oslo"), IndexedDocument("Nile")],
            TypeError,
            r"documents\[1\] must be a langchain_core.documents.Document, "
            "not a ner_retriever_rag.schema.Document",
        ),
    ],
)
def test_invalid_documents_are_rejected(documents, error, message, tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    for take in (
        NERTypeRetriever(index=index).add_documents,
        EntityDocumentIndex(index=index).upsert,
    ):
        with pytest.raises(error, match=message):
            take(documents)
    assert index.count() == 0


def test_invalid_texts_are_rejected(tiny_encoder):
    with pytest.raises(TypeError, match="texts must be a list of strings, not one string"):
        NERTypeRetriever.from_texts("Nile", encoder=tiny_encoder)
    with pytest.raises(TypeError, match=r"texts\[1\] must be a string, not a int"):
        NERTypeRetriever.from_texts(["Nile", 3], encoder=tiny_encoder)
    with pytest.raises(ValueError, match="ids is for 1 texts, but there are 2"):
        NERTypeRetriever.from_texts(["a", "b"], ids=iter("a"), encoder=tiny_encoder)


RESERVED_KEYS = {"doc_id": "page 7", "score": 0.5, "matches": "none"}


@pytest.mark.parametrize("key", RESERVED_KEYS)
def test_existing_metadata_is_never_overwritten(key, tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    document = Document("Oslo is a city.", id="oslo", metadata={key: RESERVED_KEYS[key]})
    with pytest.raises(ValueError, match=f"'oslo' has metadata of its own under {key!r}"):
        NERTypeRetriever.from_documents([document], index=index)
    with pytest.raises(ValueError, match="metadata_prefix"):
        EntityDocumentIndex(index=index).upsert([document])
    assert index.count() == 0
    index.add([IndexedDocument("Oslo is a city.", "oslo", {key: RESERVED_KEYS[key]})])
    with pytest.raises(ValueError, match=f"under {key!r}"):
        NERTypeRetriever(index=index).invoke("city")


def test_metadata_prefix_keeps_both(tiny_encoder):
    document = Document("Oslo is a city.", id="oslo", metadata=RESERVED_KEYS)
    retriever = NERTypeRetriever.from_documents(
        [document], encoder=tiny_encoder, metadata_prefix="ner_"
    )
    (found,) = retriever.invoke("city")
    assert found.metadata.keys() == {*RESERVED_KEYS, "ner_doc_id", "ner_score", "ner_matches"}
    assert RESERVED_KEYS.items() <= found.metadata.items()
    assert found.metadata["ner_matches"][0]["text"] == "Oslo"
    with pytest.raises(ValueError, match="under 'ner_score'"):
        retriever.add_documents([Document("Nile", metadata={"ner_score": 1.0})])


def test_document_id_in_its_own_metadata_is_accepted(tiny_encoder):
    document = Document("Oslo is a city.", id="oslo", metadata={"doc_id": "oslo"})
    retriever = NERTypeRetriever.from_documents([document], encoder=tiny_encoder)
    assert retriever.invoke("city")[0].metadata["doc_id"] == "oslo"


def test_blank_pages_are_skipped_and_logged(tiny_encoder, caplog):
    index = EntityIndex(encoder=tiny_encoder)
    pages = [Document("Oslo"), Document(" ", metadata={"source": "a.pdf"})]
    assert len(NERTypeRetriever(index=index).add_documents(pages)) == index.count() == 1
    assert "documents[1] has no text" in caplog.text and "a.pdf" in caplog.text
