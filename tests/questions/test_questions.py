"""Questions parsed by the built-in rules."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ner_retriever_rag.queries.english import is_plural, plural, singular
from ner_retriever_rag.questions.language_models import EntityTypeArguments
from ner_retriever_rag.questions.questions import ParsedQuestion, parse_question

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("question", "kind", "topic"),
    [
        (
            "Which dinosaurs lived in what is now Argentina?",
            "dinosaur",
            "lived in what is now Argentina",
        ),
        ("What's the tallest building in Dubai?", "building", "tallest in Dubai"),
        ("WHICH RIVERS RUN THROUGH PARIS?", "river", "run through paris"),
        ("Which United States presidents were born in Ohio?", "United States president",
         "born in Ohio"),
        ("What women writers lived in Paris?", "women writer", "lived in Paris"),
        ("What plays did Ibsen write?", "play", "Ibsen write"),
        ("At which university did Turing work?", "university", "Turing work"),
        ("Who's the mayor of London?", "mayor", "London"),
        ("Who plays the violin here?", "person", "plays the violin here"),
        ("where do storks breed", "place", "storks breed"),
        ("hi, could you please tell me which volcano destroyed Pompeii?", "volcano",
         "destroyed Pompeii"),
        ("Give an example of a marsupial.", "marsupial", None),
        ("Find articles that mention lakes in Finland", "lake", "in Finland"),
        ("Do any whales live in the Baltic Sea?", "whale", "live in the Baltic Sea"),
        ("Which churches and castles are in Prague?", "church or castle", "in Prague"),
        ("Which of Ibsen's plays are set in Rome?", "play", "Ibsen set in Rome"),
        ("Oslo lies on which fjord?", "fjord", "Oslo lies on"),
        ("rivers", "river", None),
        ("chief executive of Lumenary", "chief executive", "Lumenary"),
        ("Who is the chief executive of Lumenary?", "chief executive", "Lumenary"),
        ("Who is chief executive of Lumenary?", "chief executive", "Lumenary"),
        ("What is the chief executive of Lumenary called?", "chief executive", "Lumenary"),
        ("chief cities of Peru", "city", "Peru"),
        ("head of state of Peru", "head of state", "Peru"),
    ],
)  # fmt: skip
def test_question_is_parsed_into_type_and_topic(question, kind, topic):
    assert parse_question(question) == ParsedQuestion(question, kind, topic)


@pytest.mark.parametrize(
    "question",
    [
        "Why is the sky blue?", "How tall is it?", "In what year was Ibsen born?",
        "What is an atom?", "What are quarks?", "What do lions eat?", "What causes rain?",
        "Is Oslo in Norway?",
        "How many people live in Oslo?", "What is the best way to cook rice?", "Rivers are long.",
        "Explain photosynthesis.", "Tell me about the French Revolution", "What about lakes?",
        "Bank of England", "band of brothers",
        "Which?", "who", "?", "Kannst du mir helfen?", "🦕🦕", "\ufeffwhich",
    ],
)  # fmt: skip
def test_question_without_a_type(question):
    assert parse_question(question) == ParsedQuestion(question, None, None)


@pytest.mark.parametrize(
    ("given", "error"), [("", ValueError), (" \n", ValueError), (3, TypeError), (None, TypeError)]
)
def test_invalid_input_is_rejected(given, error):
    with pytest.raises(error, match="question"):
        parse_question(given)


def test_plural_and_singular_forms():
    for many, one in {
        "cities": "city", "churches": "church", "volcanoes": "volcano", "women": "woman",
        "houses": "house", "viruses": "virus", "caves": "cave", "bacteria": "bacterium",
        "species": "species", "diseases": "disease", "wolves": "wolf", "boxes": "box",
        "Nobel Prizes": "Nobel Prize", "universities": "university", "horses": "horse",
        "campuses": "campus", "harbours": "harbour", "colours": "colour", "operas": "opera",
        "critics": "critic", "subspecies": "subspecies", "noblemen": "nobleman", "waltzes": "waltz",
        "sportspeople": "sportsperson", "hypotheses": "hypothesis", "midwives": "midwife",
        "humans": "human", "plateaus": "plateau", "casinos": "casino", "superheroes": "superhero",
    }.items():  # fmt: skip
        assert (is_plural(many), singular(many)) == (True, one)
        assert singular(one) == one
        assert plural(one) == plural(many) == many
    for word in ("Stegosaurus", "chess", "gas", "famous", "bus", "its", "specimen", "electronics"):
        assert not is_plural(word) and singular(word) == word


def test_report_on_the_labeled_questions_is_up_to_date(tmp_path):
    """The parser is as accurate as its report says, and the report is up to date."""
    rows = [json.loads(line) for line in (BENCHMARKS / "questions/questions.jsonl").open()]
    assert len(rows) == len({row["question"] for row in rows}) == 200
    assert 25 <= sum(row["type"] is None for row in rows) <= 35
    out = tmp_path / "questions.md"
    subprocess.run(
        [sys.executable, BENCHMARKS / "questions.py", "--out", out], check=True, capture_output=True
    )
    assert out.read_text() == (BENCHMARKS / "results/questions.md").read_text()
    right = next(line for line in out.read_text().splitlines() if "type right, exactly" in line)
    assert float(right.split("|")[3]) > 0.9


def test_blank_arguments_of_a_model_become_none():
    given = EntityTypeArguments(type="river", about=" ", k="")
    assert (given.about, given.k) == (None, None)
