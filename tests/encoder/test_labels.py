"""Labels of other tools are replaced by the words that they stand for."""

import numpy as np
import pytest

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder.labels import spelled_out


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("GPE", "country, city or state"),
        ("PER", "person"),
        ("WORK_OF_ART", "work of art"),
        ("HumanSettlement", "human settlement"),
        ("MusicalGRP", "musical group"),
        ("OtherPROD", "other product"),
        ("TVSeries", "tv series"),
        ("Medication/Vaccine", "medication or vaccine"),
        ("sports_team", "sports team"),
        ("Gene_or_gene_product", "gene or gene product"),
    ],
)
def test_a_label_is_spelled_out(label: str, words: str) -> None:
    assert spelled_out(label) == words


@pytest.mark.parametrize(
    "description",
    ["dinosaur", "Château", "NGO", "iPhone", "T-shirt", "drug in GPE", "город", "_", "/"],
)
def test_descriptions_that_are_no_labels_are_unchanged(description: str) -> None:
    assert spelled_out(description) == description


def test_labels_and_their_words_have_the_same_vector() -> None:
    encoder = TypeAwareEncoder.from_pretrained()
    labels = encoder.encode_types(["ORG", "HumanSettlement", " sports_team "])
    words = encoder.encode_types(["organization", "human settlement", "sports team"])
    np.testing.assert_array_equal(labels, words)


def test_a_search_for_a_label_finds_names() -> None:
    index = EntityIndex()
    index.add(
        [
            "Ottawa has been the capital since 1857.",
            "Nobody but Ada Lovelace wrote notes as long as the article.",
            "The GPE label was given by hand.",
        ]
    )
    assert index.search("GPE", k=1)[0].matches[0].text == "Ottawa"
    assert index.search("PER", k=1)[0].matches[0].text == "Ada Lovelace"
