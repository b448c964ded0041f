import numpy as np
import pytest
from tiny import CapitalizedWords
from typer.testing import CliRunner

from ner_retriever_rag.cli import app
from ner_retriever_rag.encoder import TypeAwareEncoder
from ner_retriever_rag.training.articles import Article, HeldOut
from ner_retriever_rag.training.mine import MiningOptions, mine
from ner_retriever_rag.training.names import (
    NAMES,
    KnownName,
    known_names,
    other_names,
    read_mined,
    train_names,
    write_mined,
)
from ner_retriever_rag.training.phrases import TypePhrase

PLANET, METAL, CITY = (TypePhrase((word,)) for word in ("planet", "metal", "city"))


def encode(phrases):
    return np.eye(32, dtype=np.float32)[[hash(phrase) % 32 for phrase in phrases]]


def test_mining_writes_names(mined):
    names = {each.name: each for each in read_mined(mined / NAMES)}
    assert names["Ulvgard"] == KnownName("Ulvgard", ("Norwegian metal band",))
    assert names["Carabus velox"].types == ("beetle species", "beetle")


def test_homonyms_are_one_name_without_parentheses():
    articles = [
        Article("Mercury (planet)", "Mercury is a planet near the sun."),
        Article("Mercury (element)", "Mercury is a metal."),
        Article("Hof, Bavaria", "Hof is a city."),
        Article("Unknown", "Nobody knows."),
    ]
    definitions = {"Mercury (planet)": [PLANET], "Mercury (element)": [METAL]}
    definitions["Hof, Bavaria"] = [CITY]
    assert known_names(articles, definitions, HeldOut()) == [
        KnownName("Mercury", ("planet", "metal")),
        KnownName("Hof", ("city",)),
        KnownName("Hof, Bavaria", ("city",)),
    ]


def test_names_defined_by_held_out_sentences_are_left_out():
    articles = [
        Article("Hof", "Hof is a city."),
        Article("Hof", "Hof is a city in the north."),
        Article("Mars", "Mars is a planet."),
    ]
    held_out = HeldOut(["Hof is a city in the north."])
    names = known_names(articles, {"Hof": [CITY], "Mars": [PLANET]}, held_out)
    assert [each.name for each in names] == ["Mars"]


@pytest.mark.parametrize(
    ("title", "lead", "others"),
    [
        ("Kvaisi", "Kvaisi or Kvaisa (, , ) is a settlement.", ["Kvaisa"]),
        (
            "Academy Awards",
            "The Academy Awards, popularly known as the Oscars, are awards",
            ["Oscars"],
        ),
        (
            "Army Medical Museum and Library",
            "The Army Medical Museum and Library (AMML) of the U.S. Army was one",
            ["AMML"],
        ),
        ("Alan Turing", "Alan Mathison Turing (1912 – 1954) was a man", ["Alan Mathison Turing"]),
        ("Cash & Carry", "Cash &amp; Carry is a shop", []),
        ("Hof", "In Bavaria, Hof is a city", []),
        ("Hof", "Hof lies in Bavaria", []),
    ],
)
def test_other_names_of_a_subject(title, lead, others):
    assert list(other_names(title, lead)) == others


def test_rare_phrases_are_replaced_by_frequent_endings(tmp_path):
    path = tmp_path / NAMES
    rows = [
        ("A", "black metal band"),
        ("B", "doom metal band"),
        ("C", "metal band"),
        ("D", "old brass Band"),
        ("the D", "lake"),
    ]
    john = KnownName("John", tuple(f"kind{n}" for n in range(6)))  # too many types to tell much
    write_mined(path, [*(KnownName(name, (phrase,)) for name, phrase in rows), john])
    asked = []

    def recorded(phrases):
        asked.extend(phrases)
        return encode(phrases)

    known = train_names(path, recorded, least=3)
    assert sorted(asked) == ["band", "lake", "metal band"]
    assert len(known) == 4
    assert known.knows(["a", "E", "The D", "John"]).tolist() == [True, False, True, False]


def test_mining_of_names_is_reproducible(articles_file, mined, tmp_path):
    mine([articles_file], tmp_path, options=MiningOptions(least_heads=1, silver=50))
    first, again = (list(read_mined(folder / NAMES)) for folder in (mined, tmp_path))
    assert first == again and len(first) >= 11


def test_command_adds_names_to_an_encoder(mined, tiny_checkpoint, tmp_path):
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@3", detector=CapitalizedWords())
    encoder.save_pretrained(tmp_path)
    ran = CliRunner().invoke(app, ["train", "names", str(mined), "--encoder", str(tmp_path)])
    assert ran.exit_code == 0 and "11 names" in ran.output.replace("\n", " ")
    taught = TypeAwareEncoder.from_pretrained(tmp_path)
    assert taught.names.knows(["ulvgard", "Carabus Velox", "Oslo"]).tolist() == [True, True, False]
    assert taught.fingerprint != encoder.fingerprint
    again = CliRunner().invoke(app, ["train", "names", str(mined), "--encoder", str(tmp_path)])
    assert again.exit_code == 0
    assert TypeAwareEncoder.from_pretrained(tmp_path).fingerprint == taught.fingerprint
