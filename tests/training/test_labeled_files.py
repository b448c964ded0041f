"""Files of labeled texts: what is read, what is rejected, how they are split."""

import gzip
import json

import pytest

from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.training.labelled import described, read_labelled, split

MENTION = {"start": 8, "end": 19, "type": "drug"}
VALID_ROW = {"id": 7, "text": "We gave haloperidol.", "mentions": [MENTION]}


def with_mention(**changed):
    return VALID_ROW | {"mentions": [MENTION | changed]}


def test_lines_are_read_plain_or_compressed(tmp_path):
    empty = {"text": "Nothing here.", "mentions": []}
    lines = f"{json.dumps(VALID_ROW)}\n\n{json.dumps(empty)}\n"
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    read = [
        TypedText("We gave haloperidol.", ((8, 19, "drug"),)),
        TypedText("Nothing here.", ()),
    ]
    assert read_labelled(tmp_path / "a.jsonl") == read_labelled(tmp_path / "a.jsonl.gz") == read


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "no JSON"),
        ("[1]", "expected text and mentions"),
        ({"text": "a"}, "expected text and mentions"),
        (VALID_ROW | {"text": " "}, "text must be a non-empty string"),
        (VALID_ROW | {"text": 3}, "text must be a non-empty string"),
        (VALID_ROW | {"mentions": {}}, "mentions must be a list"),
        (VALID_ROW | {"mentions": [[8, 19, "drug"]]}, "needs start, end and type"),
        (VALID_ROW | {"mentions": [{"start": 8, "end": 19}]}, "needs start, end and type"),
        (with_mention(type=" "), "type must be a non-empty string"),
        (with_mention(type=None), "type must be a non-empty string"),
        (with_mention(end=21), "8 to 21 are not the characters of a mention (the text has 20"),
        (with_mention(end=8), "are not the characters"),
        (with_mention(start=-1), "are not the characters"),
        (with_mention(start="8"), "'8' to 19 are not the characters"),
        (with_mention(start=7, end=8), "are not the characters"),
    ],
)
def test_error_for_an_invalid_line_gives_its_number(tmp_path, row, message):
    path = tmp_path / "bad.jsonl"
    line = row if isinstance(row, str) else json.dumps(row)
    path.write_text(f"{json.dumps(VALID_ROW)}\n{line}\n")
    with pytest.raises(ValueError) as error:
        read_labelled(path)
    assert str(error.value).startswith(f"{path}, line 2: ")
    assert message in str(error.value)


def test_file_without_mentions_or_text_is_rejected(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "mentions": []}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl has no labelled mention"):
        read_labelled(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"b\.jsonl cannot be read"):
        read_labelled(tmp_path / "b.jsonl")
    with pytest.raises(FileNotFoundError, match="no such file; it should contain lines like"):
        read_labelled(tmp_path / "c.jsonl")


def test_labels_become_descriptions():
    typed = [TypedText("a b c", ((0, 1, "DRUG"), (2, 3, "blue ticket"), (4, 5, "Other")))]
    assert described(typed, None)[0].mentions == ((0, 1, "drug"), (2, 3, "blue ticket"), (4, 5, ""))
    named = described(typed, {"DRUG": "antipsychotic drug"})
    assert named[0].mentions == ((0, 1, "antipsychotic drug"), (2, 3, ""), (4, 5, ""))
    with pytest.raises(ValueError, match="none of the labels has a description"):
        described(typed, {"river": "river"})


def test_same_text_is_never_on_both_sides_of_a_split():
    typed = [TypedText(f"text {number % 50}", ()) for number in range(100)]
    train, held = split(typed, 0.2, seed=1)
    assert len(held) == 20 and len(train) == 80
    assert not {each.text for each in train} & {each.text for each in held}
    assert split(typed, 0.2, seed=1) == (train, held) != split(typed, 0.2, seed=2)
    assert split(typed, 0.0, seed=1) == (typed, [])
