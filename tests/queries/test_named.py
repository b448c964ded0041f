"""Names in a description: what stands near a mention says whose it is."""

import numpy as np
import pytest

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.index.texts import match_documents
from ner_retriever_rag.queries.named import NamedWords, names_nearby

TEXT = "Enslaved is a band from Haugesund, Norway." + " It plays a lot." * 12 + " Lordi is Finnish."


def raised(description, text=TEXT, mention="Enslaved"):
    start = text.index(mention)
    nearby = names_nearby(text, [(start, start + len(mention))])
    return NamedWords(description).share_nearby(nearby)[0]


@pytest.mark.parametrize(
    ("description", "share"),
    [
        ("Norwegian band", 1),
        ("band from Norway", 1),
        ("metal band from Norway that plays", 1),
        ("Finnish band", 0),  # stands too far off
        ("Swedish band", 0),
        ("Norwegian band of Swedish singers", 0.5),
        ("norwegian band", 0),  # no capital, no name
        ("Norwegian Band", 0),  # all have one
        ("Band of Norway", 0),  # all but little words
        ("band", 0),
        ("Haugesund", 0),
        ("lot of Haugesund", 1),
        ("Enslaved album", 1),  # in the mention itself
        ("the Norway", 0),  # the head noun
        ("The band of Norway", 1),
        ("!", 0),
    ],
)
def test_what_stands_near_a_mention_raises_it(description, share):
    assert raised(description) == pytest.approx(share)


def test_a_name_further_off_counts_for_those_near_it():
    assert raised("Finnish band", mention="Lordi") == pytest.approx(1)
    assert raised("Norwegian band", mention="Lordi") == 0


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
def test_a_country_and_its_people(country, people):
    assert raised(f"{people} river", f"Lumo flows through {country}.", "Lumo") > 0
    assert raised(f"river of {country}", f"Lumo, a {people} river.", "Lumo") > 0


def test_like_names_are_told_apart():
    assert raised("Austrian river", "Lumo flows through Australia.", "Lumo") == 0
    assert raised("Irish river", "Lumo flows through Iraq.", "Lumo") == 0


def test_words_that_are_not_there_are_seldom_seen():
    words = [f"{a}{b}{c}ax" for a in "BCDFGKLM" for b in "aeiou" for c in "bdfgklmnprst"]
    nearby = names_nearby(" ".join(words[:10]), [(0, 5)])
    seen = [NamedWords(f"{word} band").share_nearby(nearby)[0] > 0 for word in words]
    assert all(seen[:10])
    assert np.mean(seen[10:]) < 0.05


def test_no_mentions_and_no_capitals():
    assert names_nearby(TEXT, []).shape == (0, 2)
    assert NamedWords("Norwegian band").share_nearby(names_nearby(TEXT, [])).shape == (0,)
    assert not names_nearby("no capitals at all, ßharp nor ーlong", [(0, 2)]).any()
    assert raised("Ödön film", "Lumo by Ödön.", "Lumo") > 0


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
def test_a_search_finds_whose_it_is(people, place):
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
