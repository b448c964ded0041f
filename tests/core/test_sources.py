import gzip
import json
import lzma
from operator import length_hint

import pytest

from ner_retriever_rag.cli.sources import FileSource


def read(*paths, **options):
    source = FileSource(list(paths), **options)
    return list(source), source.problems


def test_folders_of_plain_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("Oslo")
    (tmp_path / "sub" / "b.MD").write_text("# Rome")
    (tmp_path / "c.pdf").write_bytes(b"%PDF")
    documents, problems = read(tmp_path)
    assert [(each.text, each.metadata["source"]) for each in documents] == [
        ("Oslo", str(tmp_path / "a.txt")),
        ("# Rome", str(tmp_path / "sub" / "b.MD")),
    ]
    assert [each.id for each in documents] == [str(tmp_path / "a.txt"), str(tmp_path / "sub/b.MD")]
    assert problems == []


def test_json_lines(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [
        {"text": "Oslo", "id": 7, "lang": "no", "nested": {"a": 1}, "none": None, "year": 1048},
        {"text": "Rome"},
    ]
    file.write_text("\n\n".join(map(json.dumps, rows)))
    (oslo, rome), problems = read(file)
    assert (oslo.id, oslo.metadata) == ("7", {"lang": "no", "year": 1048})
    assert (rome.id, rome.metadata) == (f"{file}:3", {})
    assert problems == []


def test_fields_by_name(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"body": "Oslo", "id": "x", "key": "k"}))
    (document,), _ = read(file, text_field="body", id_field="key")
    assert (document.text, document.id, document.metadata) == ("Oslo", "k", {"id": "x"})


def test_csv_with_byte_order_mark_quotes_and_line_breaks(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes('\ufefftext,id,note\r\n"Oslo,\nNorway",1,\r\nRome,2,old,extra\r\n'.encode())
    (oslo, rome), problems = read(file)
    assert (oslo.text, oslo.id, oslo.metadata) == ("Oslo,\nNorway", "1", {"note": ""})
    assert (rome.text, rome.metadata) == ("Rome", {"note": "old"})
    assert problems == []


@pytest.mark.parametrize(("ending", "opener"), [("gz", gzip.open), ("xz", lzma.open)])
def test_compressed_files(tmp_path, ending, opener):
    file = tmp_path / f"rows.jsonl.{ending}"
    with opener(file, "wt") as stream:
        stream.write('{"text": "Zürich"}\n')
    (document,), _ = read(tmp_path)
    assert document.text == "Zürich"


def test_what_cannot_be_read_is_reported_and_the_rest_is_there(tmp_path):
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x80")
    (tmp_path / "empty.txt").write_text("  ")
    (tmp_path / "broken.jsonl.xz").write_bytes(b"not xz")
    (tmp_path / "rows.jsonl").write_text(
        '{"text": "Oslo"}\n{"text": 3}\n{oops\n[1]\n{"other": 1}\n{"text": ""}\n{"text": "Rome"}\n'
    )
    documents, problems = read(tmp_path, tmp_path / "none.txt", tmp_path / "x.pdf")
    assert [each.text for each in documents] == ["Oslo", "Rome"]
    told = {problem.where.removeprefix(f"{tmp_path}/"): problem.why for problem in problems}
    assert told.keys() == {
        "binary.txt", "empty.txt", "broken.jsonl.xz", "none.txt", "x.pdf",
        "rows.jsonl:2", "rows.jsonl:3", "rows.jsonl:4", "rows.jsonl:5", "rows.jsonl:6",
    }  # fmt: skip
    assert "must be a string, not int" in told["rows.jsonl:2"]
    assert "is not JSON" in told["rows.jsonl:3"]
    assert "no field 'text' (its fields: other)" in told["rows.jsonl:5"]
    assert told["none.txt"] == "does not exist"


def test_second_document_with_an_id_is_reported(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}\n')
    documents, problems = read(file)
    assert [each.text for each in documents] == ["a"]
    assert f"id 'x' is that of {file}:1" in problems[0].why


def test_count_and_limit(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": f"t{n}"}) + "\n" for n in range(9)))
    source = FileSource([file], limit=5)
    assert source.count() == length_hint(source) == len(list(source)) == 5
    assert source.problems == []
