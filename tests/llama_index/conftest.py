"""Nodes of known kinds, indexed with the shipped encoder."""

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from ner_retriever_rag.llama_index import NERTypeRetriever

TEXTS = {
    "dinosaur": "Stegosaurus lived in the late Jurassic and ate plants.",
    "river": "The Nile flows north through Sudan.",
    "band": "Metallica recorded their first album in 1983.",
    "language": "Python was first released in 1991 and is widely used.",
    "volcano": "Mount Etna erupted again last night.",
}


def five_nodes() -> list[TextNode]:
    return [
        TextNode(
            id_=kind,
            text=text,
            metadata={"kind": kind, "length": len(text), "tags": [kind, "x"], "none": None},
            excluded_llm_metadata_keys=["length"],
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"file-{kind}")},
        )
        for kind, text in TEXTS.items()
    ]


@pytest.fixture(scope="session")
def make_nodes():
    """Makes the same nodes again, so that a test can see whether others were modified."""
    return five_nodes


@pytest.fixture(scope="session")
def nodes() -> list[TextNode]:
    return five_nodes()


@pytest.fixture(scope="session")
def retriever(nodes, shipped_encoder) -> NERTypeRetriever:
    return NERTypeRetriever.from_defaults(nodes=nodes, encoder=shipped_encoder, similarity_top_k=2)
