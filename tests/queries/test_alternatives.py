"""Descriptions with "or" match each of their alternatives."""

import numpy as np
import pytest

from ner_retriever_rag import Document, EntityIndex, Like
from ner_retriever_rag.queries.alternatives import MAX_ALTERNATIVES, alternatives
from ner_retriever_rag.queries.query_vectors import description_vectors
from ner_retriever_rag.queries.taxonomy import Taxonomy


@pytest.mark.parametrize(
    ("description", "each"),
    [
        ("lid or seal", ["lid", "seal"]),
        ("lid / seal", ["lid", "seal"]),
        ("lid and/or seal", ["lid", "seal"]),
        ("Drug/Chemical", ["drug", "chemical"]),
        ("tyre, shaft, belt or chain", ["tyre", "shaft", "belt", "chain"]),
        ("tyre, belt, or chain", ["tyre", "belt", "chain"]),
        ("a river or a lake", ["river", "lake"]),
        ("leak or other malfunction", ["leak", "malfunction"]),
        ("command line or code snippet", ["command line", "code snippet"]),
        ("French or Italian painter", ["French painter", "Italian painter"]),
        ("field of knowledge or technology", ["field of knowledge", "field of technology"]),
        ("part of an animal or plant", ["part of animal", "part of plant"]),
        ("river or lake in Africa", ["river in Africa", "lake in Africa"]),
        ("song, album or artist to add", ["song to add", "album to add", "artist to add"]),
        ("thing or person mentioned here", ["thing mentioned here", "person mentioned here"]),
        ("river or river", ["river"]),
        ("river or great river", ["river", "great river"]),
        ("GPE", ["country", "city", "state"]),
        # No alternatives, or none that can be recognized.
        ("river", []),
        ("Trinidad and Tobago", []),
        ("Paris, Texas", []),
        ("TCP/IP protocol", []),
        ("editor of an oratorio", []),
        ("or", []),
        ("river or", []),
        ("drug that lowers blood pressure or cholesterol", []),
        ("disease affecting heart or lungs", []),
        (" or ".join(f"kind{n}" for n in range(MAX_ALTERNATIVES + 1)), []),
    ],
)
def test_alternatives_of_a_description(description, each):
    assert alternatives(description) == each


def test_vector_is_the_mean_of_the_description_and_its_alternatives(tiny_encoder):
    together, alone = description_vectors(tiny_encoder, ["river or lake", "river"])
    each = tiny_encoder.encode_types(["river or lake", "river", "lake"])
    mean = each.mean(axis=0)
    np.testing.assert_allclose(together, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_array_equal(alone, each[1])
    # The vectors that the encoder has cached are unchanged.
    np.testing.assert_array_equal(tiny_encoder.encode_types(["river or lake"])[0], each[0])


def test_label_of_a_taxonomy_has_the_same_vector_as_in_a_query(tiny_encoder):
    kinds = Taxonomy({"river or lake": []}).kinds(tiny_encoder)
    asked = description_vectors(tiny_encoder, ["river or lake"])
    np.testing.assert_array_equal(kinds.vectors, asked)


def test_each_alternative_is_found(shipped_encoder):
    index = EntityIndex(encoder=shipped_encoder)
    texts = ["crack in the boom", "noise from the gearbox", "new bolts for the bucket"]
    index.add([Document(text, text.split()[0]) for text in texts])
    for query in ("crack, hole or noise", Like("crack", description="crack, hole or noise")):
        assert {found.doc_id for found in index.search(query, k=2)} == {"crack", "noise"}
