"""Output to a terminal, file or pipe from an index full of hostile documents."""

import csv
import json
from datetime import date

import pytest
from hostile import HOSTILE_TEXT, Stub, run
from typer.testing import CliRunner

from ner_retriever_rag.cli import app
from ner_retriever_rag.cli.console import as_json


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "x", "t"],
        ["facets", "x"],
        ["extract", "x", "--type", "t"],
        ["entities", "x", "t"],
    ],
)
def test_documents_cannot_send_terminal_control_codes(stub, arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    for code in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert code not in result.stdout
    assert "[/H] :smile:" in result.stdout and "é 東 🎉" in result.stdout


@pytest.mark.parametrize(
    "arguments", [["search", "x", "t", "--json"], ["extract", "x", "--type", "t"],
                  ["facets", "x", "--json"], ["entities", "x", "t", "--json"]]
)  # fmt: skip
def test_json_output_holds_the_exact_data(stub, arguments):
    result = run(*arguments)
    assert not set("\x1b\x07\x9b\u202e") & set(result.stdout)
    (line,) = result.stdout.split("\n")[:-1]
    row = json.loads(line)
    if arguments[0] == "search":
        (match,) = row["matches"]
        assert row["text"] == stub.documents[0].text
        assert row["text"][match["start"] : match["end"]] == match["text"] == HOSTILE_TEXT
        assert (row["metadata"], match["type"]) == ({"title": HOSTILE_TEXT}, "@type")
    else:
        assert HOSTILE_TEXT in (row.get("text"), row.get("name"), *row.get("examples", []))


def test_metadata_values_without_a_json_type_are_converted():
    row = {"day": date(2020, 1, 2), "nan": float("nan"), "set": {1}, "deep": [{"x": (1, None)}]}
    assert json.loads(as_json(row)) == {
        "day": "2020-01-02", "nan": "nan", "set": [1], "deep": [{"x": [1, None]}]
    }  # fmt: skip
    assert as_json({"blob": b"\xff\x00"}) == '{"blob": "ff00"}'


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=a,\n"b"'])
def test_csv_formulas_are_escaped_unless_raw(monkeypatch, tmp_path, cell):
    monkeypatch.setattr("ner_retriever_rag.cli.extract.open_index", lambda *_: Stub(cell))
    file = tmp_path / "rows.csv"
    for raw, quote in (([], "'"), (["--raw"], "")):
        result = run("extract", "x", "--type", "t", "--out", file, *raw)
        assert result.exit_code == 0, result.output
        with file.open(newline="", encoding="utf-8") as stream:
            (row,) = csv.DictReader(stream)
        assert row == {
            "type": f"{quote}@type", "text": quote + cell, "doc_id": f"{quote}=id",
            "start": "7", "end": str(7 + len(cell)), "score": "0.9",
        }  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_entities_are_written_as_a_table(stub, tmp_path, ending):
    file = tmp_path / f"table.{ending}"
    result = run("entities", "x", "river", "--out", file, "-k", "7", "--threshold", "0.3",
                 "--where", '{"lang": "en"}', "--about", "in Asia")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert stub.asked == (
        "river", 7, {"where": {"lang": "en"}, "score_threshold": 0.3, "about": "in Asia"}
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == [file]
    if ending == "csv":
        with file.open(newline="", encoding="utf-8") as stream:
            (row,) = csv.DictReader(stream)
        assert (row["name"], row["names"]) == (HOSTILE_TEXT, f"{HOSTILE_TEXT}; +other")
    else:
        if ending == "jsonl":
            row = json.loads(file.read_text(encoding="utf-8"))
        else:
            (row,) = pytest.importorskip("pyarrow.parquet").read_table(file).to_pylist()
        assert row == {
            "name": HOSTILE_TEXT, "names": [HOSTILE_TEXT, "+other"], "score": 0.9, "mentions": 3,
            "documents": ["=id"],
        }  # fmt: skip


def test_entity_table_omits_unlikely_entities(tmp_path, monkeypatch):
    """If no others remain, the best one is reported."""
    asked = []

    class NoLikelyEntities(Stub):
        def entities(self, query, k, **options):
            asked.append((k, options))
            found = super().entities(query, k, **options)
            return [] if options.get("score_threshold") else found

    monkeypatch.setattr(
        "ner_retriever_rag.cli.entities.open_index", lambda *_: NoLikelyEntities("Nile")
    )
    file = tmp_path / "table.csv"
    result = run("entities", "x", "river", "--out", file)
    assert result.exit_code == 0, result.output
    assert asked[0][1]["score_threshold"] == 0.2 and asked[1][0] == 1
    assert "no entity of that type at 0.20 or above (best: Nile, 0.90)" in result.output
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1
    assert run("entities", "x", "river", "--out", file, "--threshold", "0").exit_code == 0
    assert len(file.read_text(encoding="utf-8").splitlines()) == 2


def test_search_writes_an_html_page(stub, tmp_path):
    file = tmp_path / "out.html"
    result = run("search", "x", "river", "--about", "in Asia", "--html", file)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    page = file.read_text(encoding="utf-8")
    assert '<h1 dir="auto">river, in Asia</h1>' in page and "<mark title=" in page
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "x", "t", "--html", "{tmp}/no/out.html"], "--html: the folder"),
        (["search", "x", "t", "--html", "{tmp}"], "is a folder"),
        (["search", "x", "t", "--all", "-k", "3"], "give -k or --all, not both"),
        (["search", "x"], "nothing to search for: give a type, or --any-of"),
        (["search", "x", "t", "--offset", "-1"], "--offset"),
        (["search", "x", "t", "--max-matches", "0"], "--max-matches"),
        (["search", "x", "t", "--threshold", "1.5"], "--threshold"),
        (["search", "x", "t", "--threshold", "nan"], "--threshold"),
        (["extract", "x", "--type", "t", "--out", "{tmp}/rows.xls"], "--out must end in .csv"),
        (["entities", "x", "t", "--out", "{tmp}/no/rows.csv"], "--out: the folder"),
        (["entities", "x", "t", "-k", "0"], "-k"),
        (["entities", "x", "t", "--all", "-k", "2"], "give -k or --all, not both"),
    ],
)
def test_invalid_options_are_rejected(stub, tmp_path, arguments, message):
    result = run(*(each.format(tmp=tmp_path) for each in arguments))
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_error_is_printed_as_one_escaped_line(monkeypatch):
    def fails(*_):
        raise ValueError("two\nlines \x1b[31m [/red]")

    monkeypatch.setattr("ner_retriever_rag.cli.search.open_index", fails)
    result = run("search", "x", "t")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: two lines \\x1b[31m [/red]\n"


def test_output_on_an_ascii_terminal(stub):
    result = CliRunner(charset="ascii").invoke(app, ["search", "x", "t", "--json"])
    assert json.loads(result.stdout)["text"] == stub.documents[0].text
    result = CliRunner(charset="ascii").invoke(app, ["search", "x", "t"])
    assert result.exit_code == 0 and "\\u6771" in result.stdout
