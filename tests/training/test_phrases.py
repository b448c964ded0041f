import pytest

from ner_retriever_rag.queries.english import head_noun, plural, singular
from ner_retriever_rag.reading.sentences import sentences
from ner_retriever_rag.training.articles import HeldOut
from ner_retriever_rag.training.hierarchy import broader_terms, kindred_heads
from ner_retriever_rag.training.phrases import TypePhrase, defined_types


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Dissection was a Swedish metal band from Strömstad.", ["Swedish metal band"]),
        ("Haifa is one of the largest cities in Israel.", ["city"]),
        ("Carabus velox is a species of beetle.", ["beetle species", "beetle"]),
        (
            "Ann Lee (born 1970 in X, Y) is an American actress and film director.",
            ["American actress", "film director"],
        ),
        ("Lake Baikal is a body of water in Siberia.", ["body of water"]),
        ("Way to Normal is a 2008 studio album by Ben Folds.", ["studio album"]),
        ("The hospital is located in Leeds.", []),
        ("Éric Straumann is a member of the National Assembly of France.", []),
        ("In 1991 a tri-series took place in Scotland.", []),
        ("", []),
    ],
)
def test_types_are_extracted_from_a_definition(sentence, expected):
    assert [phrase.text for phrase in defined_types(sentence)] == expected


def test_grains_and_heads_of_phrases():
    phrase = TypePhrase(("black", "metal", "band"))
    assert phrase.grains() == ["black metal band", "metal band", "band"]
    assert phrase.head == "band"
    assert head_noun("Large body of water") == "body of water"
    assert (singular("cities"), singular("series"), plural("city")) == ("city", "series", "cities")


def test_broader_terms_follow_definitions_upwards():
    definitions = {
        "band": [TypePhrase(("musical", "group"))],
        "group": [TypePhrase(("collective",))],
    }
    broader = broader_terms(definitions, ["band", "group", "river"])
    assert broader["band"] == ["musical group", "group", "collective"]
    assert "river" not in broader


def test_kindred_heads_describe_the_same_entities():
    kindred = kindred_heads([["film", "movie"]] * 3 + [["film", "river"]] + [["river"]] * 20)
    assert kindred["film"] == {"movie"}
    assert "river" not in kindred


def test_sentences_do_not_end_at_initials_and_abbreviations():
    text = "J. R. Smith met Dr. Jones. They left (see No. 4). Nobody knew. J. R. did.\nA new line."
    assert list(sentences(text)) == [
        "J. R. Smith met Dr. Jones.",
        "They left (see No. 4).",
        "Nobody knew.",
        "J. R. did.",
        "A new line.",
    ]


def test_held_out_sentences_are_recognized_in_other_spellings():
    held = HeldOut(["On June 15 , 1991 , the old hall in the town was struck by lightning ."])
    assert "On June 15, 1991, the old hall in the town was struck by lightning." in held
    assert "Later, on June 15, 1991, the old hall in the town was struck again." in held
    assert "On June 15, 1991, nothing happened." not in held
