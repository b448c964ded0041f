"""Building tasks from typed texts."""

import json
from pathlib import Path

import pytest

from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.evaluation.tasks import load_task, make_task, queries_for, spell_out

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def test_duplicate_texts_are_merged() -> None:
    task = make_task(
        "t",
        [
            TypedText("The Nile .", ((4, 8, "river"),)),
            TypedText("Nothing .", ()),
            TypedText("The Nile .", ((0, 8, "name"), (4, 8, "river"))),
        ],
        {"river": "river", "lake": "lake"},
    )
    assert task.texts == ["The Nile .", "Nothing ."]
    assert task.spans == [[(0, 8), (4, 8)], []]
    assert task.queries == {"river": "river"}  # a type no text mentions cannot be scored
    assert task.relevant == {"river": frozenset({0})}


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("MusicalGRP", "musical group"),
        ("Medication/Vaccine", "medication or vaccine"),
        ("HumanSettlement", "human settlement"),
        ("PublicCorp", "public corporation"),
        ("ORG", "organization"),
        ("creative-work", "creative work"),
        ("Swedish football club", "swedish football club"),
        ("plant-eating animal", "plant-eating animal"),
    ],
)
def test_labels_are_spelled_out(label: str, words: str) -> None:
    assert spell_out(label) == words


def test_catch_all_types_are_not_scored() -> None:
    typed = [TypedText("a b", ((0, 1, "person-other"), (2, 3, "OtherPER"), (2, 3, "art-film")))]
    assert queries_for(typed, {"other": "Other", "film": "Film"}) == {"art-film": "Film"}
    assert queries_for(typed, None) == {"art-film": "art film"}


def test_shared_label_prefixes_are_left_out_of_queries() -> None:
    labels = ("art-film", "art-painting", "creative-work", "product", "person-other")
    typed = [TypedText("a b", tuple((0, 1, label) for label in labels))]
    assert queries_for(typed, None) == {
        "art-film": "film",
        "art-painting": "painting",
        "creative-work": "creative work",
        "product": "product",
    }


def test_file_is_loaded_as_a_task(tmp_path: Path) -> None:
    row = {"text": "The Nile .", "mentions": [{"start": 4, "end": 8, "type": "river"}]}
    (tmp_path / "own.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "names.json").write_text(json.dumps({"river": "body of water"}))
    task = load_task(str(tmp_path / "own.jsonl"), tmp_path, tmp_path / "names.json")
    assert (task.name, task.queries) == ("own", {"river": "body of water"})
    (tmp_path / "own.txt").write_text("Nile\tB-River\n")
    assert load_task(str(tmp_path / "own.txt"), tmp_path).queries == {"River": "river"}


def test_invalid_tasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'fewnerd-tset' is neither a file nor one of fewnerd"):
        load_task("fewnerd-tset", tmp_path)
    with pytest.raises(FileNotFoundError):
        load_task("fewnerd-test", tmp_path)
    with pytest.raises(ValueError, match="--data"):
        load_task("fewnerd-test")
    (tmp_path / "empty.txt").write_text("Nile\tO\n")
    with pytest.raises(ValueError, match="no mention with a type"):
        load_task(str(tmp_path / "empty.txt"), tmp_path)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("name", "types", "texts"),
    [("fewnerd-test", 16, 13_035), ("fewnerd-dev", 10, 17_294), ("fewnerd-pool", 33, 54_648)],
)
def test_few_nerd_scores_the_types_whose_gold_is_complete(
    name: str, types: int, texts: int
) -> None:
    task = load_task(name, SHARED)
    assert len(task.queries) == types
    assert texts * 0.99 <= len(task.texts) <= texts
    assert "Other" not in task.queries.values()
