"""Names in a description, matched with the names near a mention."""

import numpy as np
import pytest

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.index.matching import match_documents
from ner_retriever_rag.queries.description_names import DescriptionNames, names_nearby

TEXT = "Enslaved is a band from Haugesund, Norway." + " It plays a lot." * 12 + " Lordi is Finnish."


def share_nearby(description, text=TEXT, mention="Enslaved"):
    start = text.index(mention)
    nearby = names_nearby(text, [(start, start + len(mention))])
    return DescriptionNames(description).share_nearby(nearby)[0]


@pytest.mark.parametrize(
    ("description", "share"),
    [
        ("Norwegian band", 1),
        ("band from Norway", 1),
        ("metal band from Norway that plays", 1),
        ("Finnish band", 0),  # too far away
        ("Swedish band", 0),
        ("Norwegian band of Swedish singers", 0.5),
        ("norwegian band", 0),  # no capital, so no name
        ("Norwegian Band", 0),  # every word has one
        ("Band of Norway", 0),  # every word but function words
        ("band", 0),
        ("Haugesund", 0),
        ("lot of Haugesund", 1),
        ("Enslaved album", 1),  # in the mention itself
        ("the Norway", 0),  # the head noun
        ("The band of Norway", 1),
        ("!", 0),
    ],
)
def test_share_of_names_found_near_a_mention(description, share):
    assert share_nearby(description) == pytest.approx(share)


def test_name_counts_only_for_mentions_near_it():
    assert share_nearby("Finnish band", mention="Lordi") == pytest.approx(1)
    assert share_nearby("Norwegian band", mention="Lordi") == 0


@pytest.mark.parametrize(
    ("country", "people"),
    [
        pair.split()
        for pair in """
        Norway Norwegian,Sweden Swedish,Finland Finnish,Scotland Scottish,England English,
        Italy Italian,Germany German,India Indian,Austria Austrian,Australia Australian,
        America American,Russia Russian,Mexico Mexican,Canada Canadian,Japan Japanese,
        China Chinese,Brazil Brazilian,Iran Iranian,Pakistan Pakistani,Turkey Turkish,
        Hungary Hungarian,Argentina Argentine,Peru Peruvian,Belgium Belgian,Rome Roman
        """.split(",")
    ],
)
def test_country_matches_its_demonym(country, people):
    assert share_nearby(f"{people} river", f"Lumo flows through {country}.", "Lumo") > 0
    assert share_nearby(f"river of {country}", f"Lumo, a {people} river.", "Lumo") > 0


def test_similar_names_are_told_apart():
    assert share_nearby("Austrian river", "Lumo flows through Australia.", "Lumo") == 0
    assert share_nearby("Irish river", "Lumo flows through Iraq.", "Lumo") == 0


def test_absent_words_are_rarely_matched():
    words = [f"{a}{b}{c}ax" for a in "BCDFGKLM" for b in "aeiou" for c in "bdfgklmnprst"]
    nearby = names_nearby(" ".join(words[:10]), [(0, 5)])
    seen = [DescriptionNames(f"{word} band").share_nearby(nearby)[0] > 0 for word in words]
    assert all(seen[:10])
    assert np.mean(seen[10:]) < 0.05


def test_texts_without_mentions_or_capitals():
    assert names_nearby(TEXT, []).shape == (0, 2)
    assert DescriptionNames("Norwegian band").share_nearby(names_nearby(TEXT, [])).shape == (0,)
    assert not names_nearby("no capitals at all, ßharp nor ーlong", [(0, 2)]).any()
    assert share_nearby("Ödön film", "Lumo by Ödön.", "Lumo") > 0


BANDS = [
    f"{name} is a metal band from {country}."
    for name, country in [
        ("Meshuggah", "Sweden"),
        ("Enslaved", "Norway"),
        ("Lordi", "Finland"),
        ("Edguy", "Germany"),
        ("Saxon", "England"),
    ]
]


@pytest.mark.parametrize(("people", "place"), [("Norwegian", 1), ("Finnish", 2), ("German", 3)])
def test_search_ranks_the_band_of_the_named_country_first(people, place):
    encoder = TypeAwareEncoder.from_pretrained(dtype="float32")
    index = EntityIndex(encoder=encoder)
    index.add(BANDS)
    description = f"{people} metal band"
    assert index.search(description, k=1)[0].text == BANDS[place]
    first = index.search_mentions(description, k=1)[0]
    assert BANDS[place].startswith(first.text)
    documents = [Document(text) for text in BANDS]
    alone = match_documents(encoder, documents, description)
    assert max(alone, key=lambda match: match.score).text == BANDS[place]
    found = index.search(description, k=5)
    assert {m.text: m.score for m in found} == pytest.approx({m.text: m.score for m in alone})
