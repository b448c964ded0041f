import csv
import gzip
import json
import lzma
import os
import time
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
    (tmp_path / "c.png").write_bytes(b"PNG")
    (tmp_path / ".hidden").write_text("x")
    documents, problems = read(tmp_path)
    assert [(each.text, each.metadata["source"]) for each in documents] == [
        ("Oslo", str(tmp_path / "a.txt")),
        ("# Rome", str(tmp_path / "sub" / "b.MD")),
    ]
    assert [each.id for each in documents] == [str(tmp_path / "a.txt"), str(tmp_path / "sub/b.MD")]
    assert [each.why for each in problems] == ["skipped: 1 .png"]


def test_html_and_email_files(tmp_path):
    pytest.importorskip("bs4")
    (tmp_path / "a.html").write_text("<title>Cities</title><p>Oslo<p>Rome " + "and so on " * 20_000)
    (tmp_path / "b.html").write_text("<p> </p>")
    (tmp_path / "c.eml").write_text("Subject: Trip\n\nTo Lima.")
    (cities, trip), (blank,) = read(tmp_path)
    assert cities.metadata == {"source": str(tmp_path / "a.html"), "title": "Cities"}
    assert cities.text.startswith("Oslo\n\nRome") and len(cities.text) > 190_000
    assert (trip.text, trip.metadata["title"]) == ("Trip\n\nTo Lima.", "Trip")
    assert (blank.where, blank.why) == (str(tmp_path / "b.html"), "has no text")


def test_json_lines(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [
        {"text": "Oslo", "id": 7, "lang": "no", "nested": {"a": 1}, "none": None, "year": 1048},
        {"text": "Rome"},
    ]
    file.write_text("\n\n".join(map(json.dumps, rows)))
    (oslo, rome), problems = read(file)
    metadata = {"lang": "no", "nested": {"a": 1}, "none": None, "year": 1048}
    assert (oslo.id, oslo.metadata) == ("7", metadata)
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
    assert [each.why for each in problems] == ["has more cells than the header; they are left out"]


@pytest.mark.parametrize(("ending", "opener"), [("gz", gzip.open), ("xz", lzma.open)])
def test_compressed_files(tmp_path, ending, opener):
    file = tmp_path / f"rows.jsonl.{ending}"
    with opener(file, "wt") as stream:
        stream.write('{"text": "Zürich"}\n')
    (document,), _ = read(tmp_path)
    assert document.text == "Zürich"


def test_unreadable_inputs_are_reported_and_the_rest_is_read(tmp_path):
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


def test_damaged_archive_is_read_up_to_the_damage(tmp_path):
    rows = [{"id": str(n), "text": f"Row {n} of {os.urandom(40).hex()}"} for n in range(2000)]
    packed = bytearray(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    middle = len(packed) // 2
    packed[middle : middle + 40] = bytes(byte ^ 0xFF for byte in packed[middle : middle + 40])
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    (tmp_path / "b.txt").write_text("Oslo")
    documents, problems = read(tmp_path)
    assert documents[-1].text == "Oslo"
    assert [each.id for each in documents[:100]] == [str(n) for n in range(100)]
    last = problems[-1]
    assert last.where.startswith(f"{tmp_path}/a.jsonl.gz:")
    assert "cannot be read beyond this line" in last.why


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"text": "x", "n": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"text": "caf\xe9"}', "not UTF-8"),
        (b'{"text": "half \\ud800"}', "half of a surrogate pair"),
    ],
)
def test_bad_line_is_reported_and_skipped(tmp_path, line, why):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"text": "Oslo"}\n' + line + b'\n{"text": "Rome"}\n')
    documents, (problem,) = read(file)
    assert [each.text for each in documents] == ["Oslo", "Rome"]
    assert problem.where == f"{file}:2"
    assert why in problem.why


def test_columns_rejected_by_chroma_are_reported_once_and_the_rest_kept(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("#,$price,chroma:x,ner:y,text,lang\n1,2,3,4,Oslo,no\n5,6,7,8,Rome,it\n")
    documents, problems = read(file)
    assert [(each.text, each.metadata) for each in documents] == [
        ("Oslo", {"lang": "no"}),
        ("Rome", {"lang": "it"}),
    ]
    assert {each.where for each in problems} == {f"{file}:2"}
    named = sorted(each.why.split("'")[1] for each in problems)
    assert named == ["#", "$price", "chroma:x", "ner:y"]
    documents, problems = read(file, id_field="#")
    assert [each.id for each in documents] == ["1", "5"]
    assert "#" not in [each.why.split("'")[1] for each in problems]


def test_values_that_cannot_be_stored_are_reported(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "Oslo", "half": "\\ud800", "lang": "no"}\n')
    (document,), (problem,) = read(file)
    assert document.metadata == {"lang": "no"}
    assert "field 'half' is left out: its value cannot be stored" in problem.why


def test_long_cells_are_read_and_unclosed_quotes_reported(tmp_path):
    file = tmp_path / "rows.csv"
    long = "Oslo " * 100_000
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([["text"], [long], ["a\nb"], ['5" pipe']])
        stream.write('"never closed\nRome\n')
    documents, (problem,) = read(file)
    assert [each.text for each in documents] == [long, "a\nb", '5" pipe']
    assert problem.where == f"{file}:6"
    assert "opens a quote that is never closed" in problem.why


def test_bad_table_row_is_reported_and_skipped(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(b"text,id\nOslo,1\ncaf\xe9,2\nRome,3\n")
    documents, (problem,) = read(file)
    assert [each.id for each in documents] == ["1", "3"]
    assert (problem.where, "not UTF-8" in problem.why) == (f"{file}:3", True)


def test_table_data_is_not_lost_silently(tmp_path):
    """An unquoted comma in a text, and two columns with the same name."""
    file = tmp_path / "rows.csv"
    file.write_text("id,text,id\n1,Oslo,2\n3,Lima, in Peru,4\n5\n")
    documents, problems = read(file)
    assert [(each.id, each.text) for each in documents] == [("2", "Oslo"), (" in Peru", "Lima")]
    told = [(each.where, each.why) for each in problems]
    assert told[0] == (str(file), "has several columns 'id'; the last is read")
    assert told[1] == (f"{file}:3", "has more cells than the header; they are left out")
    assert told[2][0] == f"{file}:4" and len(told) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_named_pipe_is_reported_and_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "a.txt").write_text("Oslo")
    for paths in ([tmp_path], [tmp_path / "pipe.txt", tmp_path / "a.txt"]):
        documents, (problem,) = read(*paths)
        assert [each.text for each in documents] == ["Oslo"]
        assert (problem.where, problem.why) == (str(tmp_path / "pipe.txt"), "is not a plain file")


def test_links_out_of_the_folder_are_reported_and_followed_on_request(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (outside / "deep").mkdir(parents=True)
    (folder / "sub" / "in.txt").write_text("Oslo")
    (outside / "secret.txt").write_text("Rome")
    (outside / "deep" / "more.txt").write_text("Bern")
    (outside / "deep" / "up").symlink_to(outside)  # a cycle
    (outside / "back").symlink_to(folder)
    (folder / "file.txt").symlink_to(outside / "secret.txt")
    (folder / "dir").symlink_to(outside)
    (folder / "same.txt").symlink_to(folder / "sub" / "in.txt")
    (folder / "round").symlink_to(folder)
    (folder / "none.txt").symlink_to(tmp_path / "nothing.txt")

    documents, problems = read(folder)
    names = [each.id.removeprefix(f"{folder}/") for each in documents]
    assert names == ["same.txt", "sub/in.txt"]
    told = {each.where.removeprefix(f"{folder}/"): each.why for each in problems}
    assert told.keys() == {"file.txt", "dir", "none.txt"}
    assert "leads out of the folder" in told["dir"] and "--follow-links" in told["file.txt"]
    assert "points nowhere" in told["none.txt"]

    documents, problems = read(folder, follow_links=True)
    names = [each.id.removeprefix(f"{folder}/") for each in documents]
    assert names == ["dir/deep/more.txt", "dir/secret.txt", "file.txt", "same.txt", "sub/in.txt"]
    assert [each.where for each in problems] == [str(folder / "none.txt")]

    link = tmp_path / "link"
    link.symlink_to(folder)
    assert len(read(link)[0]) == 2  # a link named by the user is followed


def test_duplicate_document_id_is_reported(tmp_path):
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


def test_table_with_very_many_columns_is_read_quickly(tmp_path):
    """Takes minutes if every column name is searched for among all names."""
    names = [f"column{number}" for number in range(32_000)]
    rows = [",".join(["text", *names, "twice", "twice"]), ",".join(["Oslo", *names, "a", "b"])]
    (tmp_path / "wide.csv").write_text("\n".join(rows), encoding="utf-8")
    began = time.process_time()
    source = FileSource([tmp_path / "wide.csv"])
    (document,) = source
    assert document.metadata["column31999"] == "column31999" and document.metadata["twice"] == "b"
    (problem,) = source.problems
    assert "several columns 'twice'" in problem.why
    source = FileSource([tmp_path / "wide.csv"], text_field="none")
    assert list(source) == [] and len(source.problems[-1].why) < 300
    assert time.process_time() - began < 5
