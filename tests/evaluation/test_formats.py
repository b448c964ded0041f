"""Formats of data sets."""

import bz2
import json
from pathlib import Path

import pytest

from ner_retriever_rag.evaluation.formats import (
    TypedText,
    from_tags,
    read_columns,
    read_hub,
    read_lines,
    read_neretrieve,
)

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def spans(typed: TypedText) -> list[tuple[str, str]]:
    return [(typed.text[start:end], label) for start, end, label in typed.mentions]


def test_runs_of_one_label_are_one_mention_without_bio_prefixes() -> None:
    typed = from_tags(
        ["Tim", "Burton", "filmed", "Batman", "in", "London"],
        ["person-director", "person-director", "O", "art-film", "O", "location-GPE"],
    )
    assert typed.text == "Tim Burton filmed Batman in London"
    assert spans(typed) == [
        ("Tim Burton", "person-director"),
        ("Batman", "art-film"),
        ("London", "location-GPE"),
    ]


def test_b_prefix_or_another_label_begins_a_new_mention() -> None:
    assert spans(from_tags(["a", "b", "c"], ["B-Film", "B-Film", "I-Film"])) == [
        ("a", "Film"),
        ("b c", "Film"),
    ]
    assert spans(from_tags(["a", "b"], ["art-film", "location-GPE"])) == [
        ("a", "art-film"),
        ("b", "location-GPE"),
    ]


def test_few_nerd_format(tmp_path: Path) -> None:
    file = tmp_path / "test.txt"
    file.write_text("The\tO\nNile\tlocation-bodiesofwater\n.\tO\n\nOslo\tlocation-GPE\n")
    first, second = read_columns(file)
    assert (first.text, spans(first)) == ("The Nile .", [("Nile", "location-bodiesofwater")])
    assert spans(second) == [("Oslo", "location-GPE")]


def test_multiconer_format(tmp_path: Path) -> None:
    file = tmp_path / "en_dev.conll"
    file.write_text(
        "# id 5239d808-f300\tdomain=en\nthe _ _ O\nrolling _ _ B-MusicalGRP\n"
        "stones _ _ I-MusicalGRP\n\n\n# id 1\tdomain=en\naspirin _ _ B-Medication/Vaccine\n\n"
    )
    first, second = read_columns(file)
    assert spans(first) == [("rolling stones", "MusicalGRP")]
    assert spans(second) == [("aspirin", "Medication/Vaccine")]


def test_a_line_without_a_tag_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    file.write_text("The\tO\nNile\n")
    with pytest.raises(ValueError, match=r"bad\.txt, line 2: .*'Nile'"):
        read_columns(file)


def test_typed_texts_as_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    row = {"text": "The Nile .", "mentions": [{"start": 4, "end": 8, "type": "river"}]}
    file.write_text(json.dumps(row) + "\n")
    assert spans(read_lines(file)[0]) == [("Nile", "river")]


@pytest.mark.parametrize("column", ["fine_ner_tags", "ner_tags"])
def test_hugging_face_data_sets_with_integer_or_string_tags(tmp_path: Path, column: str) -> None:
    datasets = pytest.importorskip("datasets")
    tokens = [["The", "Nile", "and", "Oslo"]]
    if column == "fine_ner_tags":  # as DFKI-SLT/few-nerd
        label = datasets.ClassLabel(names=["O", "location-GPE", "location-bodiesofwater"])
        features = datasets.Features(
            {
                "tokens": datasets.Sequence(datasets.Value("string")),
                column: datasets.Sequence(label),
            }
        )
        table = datasets.Dataset.from_dict({"tokens": tokens, column: [[0, 2, 0, 1]]}, features)
        expected = [("Nile", "location-bodiesofwater"), ("Oslo", "location-GPE")]
    else:  # as MultiCoNER/multiconer_v2
        tags = [["O", "B-Facility", "O", "B-HumanSettlement"]]
        table = datasets.Dataset.from_dict({"tokens": tokens, column: tags})
        expected = [("Nile", "Facility"), ("Oslo", "HumanSettlement")]
    table.to_parquet(tmp_path / "data" / "test-0.parquet")
    (typed,) = read_hub(str(tmp_path / "data"), split="test")
    assert spans(typed) == expected


def test_a_data_set_without_tags_is_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["The Nile"]}).to_parquet(tmp_path / "d" / "test-0.parquet")
    with pytest.raises(ValueError, match="has columns text"):
        read_hub(str(tmp_path / "d"), split="test")


@pytest.mark.parametrize("packed", [False, True])
def test_neretrieve_format(tmp_path: Path, packed: bool) -> None:
    corpus = [
        {"id": "a", "doc_id": "Dinosaur-3", "content": "Stegosaurus , or a roofed lizard , ate ."},
        {"id": "b", "doc_id": "Oslo-1", "content": "Oslo lies north ."},
    ]
    labels = [
        {
            "id": "a",
            "doc_id": "Dinosaur-3",
            "tagged_entities": {
                "Dinosaur": {
                    "Stegosaurus": {"Stegosaurus": [[0]], "roofed lizard": [[4, 5]], "gone": [[]]}
                }
            },
        }
    ]
    paths = []
    for name, rows in (("corpus.jsonl", corpus), ("test.jsonl", labels)):
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        paths.append(tmp_path / (name + ".bz2" * packed))
        paths[-1].write_bytes(bz2.compress(data) if packed else data)
    first, second = read_neretrieve(*paths)
    assert spans(first) == [("Stegosaurus", "Dinosaur"), ("roofed lizard", "Dinosaur")]
    assert second.mentions == ()


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_official_few_nerd_sample() -> None:
    typed = read_columns(SHARED / "fewnerd" / "official-format-sample.txt")
    assert len(typed) == 200
    assert all(each.text[s:e].strip() for each in typed for s, e, _ in each.mentions)
    assert any(label == "person-actor" for each in typed for _, _, label in each.mentions)
