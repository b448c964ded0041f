"""A small corpus on which every search result can be checked by hand."""

import random

import pytest

from ner_retriever_rag import Document, EntityIndex

NAMES = [
    "Nile", "Oslo", "Ada Lovelace", "Stegosaurus", "Egypt", "Malmö", "Jurassic", "Sudan",
    "Norway", "Zürich", "Babbage", "Tyrannosaurus", "Oslofjord", "Łódź",
]  # fmt: skip


@pytest.fixture(scope="session")
def corpus() -> list[Document]:
    """Eighty documents with one to four mentions each, and three without any."""
    draw = random.Random(5)
    documents = [
        Document(
            "we saw " + " and then ".join(draw.sample(NAMES, draw.randint(1, 4))) + ".",
            id=f"d{number}",
            metadata={"half": number % 2},
        )
        for number in range(80)
    ]
    return documents + [Document(f"nothing here, {number}.", id=f"e{number}") for number in "abc"]


@pytest.fixture(scope="session")
def index(corpus, tiny_encoder) -> EntityIndex:
    index = EntityIndex(encoder=tiny_encoder)
    index.add(corpus)
    return index


@pytest.fixture(scope="session")
def encoded(corpus, tiny_encoder):
    """Encoder output for each document, by id: the raw data for reference results."""
    texts = [document.text for document in corpus]
    by_id = zip(corpus, tiny_encoder.encode(texts), strict=True)
    return {document.id: one for document, one in by_id}
