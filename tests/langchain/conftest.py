"""Documents of known kinds, indexed with the shipped encoder."""

import pytest
from langchain_core.documents import Document

from ner_retriever_rag.langchain import NERTypeRetriever

TEXTS = {
    "dinosaur": "Stegosaurus lived in the late Jurassic and ate plants.",
    "river": "The Nile flows north through Sudan.",
    "band": "Metallica recorded their first album in 1983.",
    "language": "Python was first released in 1991 and is widely used.",
    "volcano": "Mount Etna erupted again last night.",
}


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    return [
        Document(page_content=text, id=kind, metadata={"kind": kind, "length": len(text)})
        for kind, text in TEXTS.items()
    ]


@pytest.fixture(scope="session")
def retriever(documents, shipped_encoder) -> NERTypeRetriever:
    return NERTypeRetriever.from_documents(documents, encoder=shipped_encoder, k=2)
