"""The commands, run as a user runs them, with the shipped encoder."""

import gc
import json
import re
import shlex

import pytest
from hostile import run
from typer.main import get_command

from ner_retriever_rag import TypeAwareEncoder, __version__
from ner_retriever_rag.cli import app
from ner_retriever_rag.cli.app import COMMANDS, _collect_less_garbage
from ner_retriever_rag.index import EntityIndex

ARTICLES = {
    "stegosaurus": "Stegosaurus was a plant-eating animal of the Late Jurassic.",
    "etna": "Mount Etna in Sicily erupted again, and Catania closed its airport.",
    "nile": "The Nile flows north through Egypt into the Mediterranean Sea.",
    "python": "Guido van Rossum began to write Python in Amsterdam.",
}


@pytest.fixture(scope="module")
def articles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("articles")
    for name, text in ARTICLES.items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "binary.txt").write_bytes(b"\xff\x80")
    return folder


@pytest.fixture(scope="module")
def folder(articles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes") / "index"
    result = run("index", articles, "--index", folder)
    assert result.exit_code == 0, result.output
    assert "4 added, 0 replaced, 0 unchanged" in result.output
    assert "now holds 4 documents" in result.output
    assert re.search(r"skipped .*binary\.txt: cannot be read", result.output)
    return folder


def test_commands_collect_garbage_less_often(folder):
    before = gc.get_threshold()
    try:
        gc.set_threshold(700)
        _collect_less_garbage.cache_clear()
        assert run("stats", folder).exit_code == 0
        assert gc.get_threshold()[0] > 10_000
    finally:
        gc.set_threshold(*before)


def test_indexing_again_changes_nothing(articles, folder):
    assert "0 added, 0 replaced, 4 unchanged" in run("index", articles, "--index", folder).output


@pytest.mark.parametrize(
    ("query", "name", "mention"),
    [
        ("dinosaur", "stegosaurus", "Stegosaurus"),
        ("volcano", "etna", "Etna"),
        ("river", "nile", "Nile"),
    ],
)
def test_search_marks_the_spans(folder, query, name, mention):
    result = run("search", folder, query, "-k", 1)
    assert result.exit_code == 0
    assert f"{name}.txt" in result.output
    assert re.search(rf"\[[^\]]*{mention}[^\[]*\]", result.output)


def test_search_json_output(folder):
    result = run("search", folder, "programming language", "-k", "2", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 2
    for row in rows:
        assert row.keys() == {"doc_id", "score", "matches", "metadata", "text"}
        for match in row["matches"]:
            assert row["text"][match["start"] : match["end"]] == match["text"]
    everything = run("search", folder, "river", "--all", "--threshold", "0", "--json")
    assert len(everything.stdout.splitlines()) == 4
    source = rows[0]["metadata"]["source"]
    where = json.dumps({"source": source})
    (line,) = run("search", folder, "river", "--where", where, "--json").stdout.splitlines()
    assert json.loads(line)["metadata"]["source"] == source


def test_search_by_topic(folder):
    topic = ("--about", "closed its airport", "--topic-weight", "1", "-k", "1")
    assert "etna.txt" in run("search", folder, "animal", *topic).output


def test_an_index_made_in_one_dtype_opens_in_another(articles, tmp_path):
    folder = tmp_path / "index"
    result = run("index", articles, "--index", folder, "--dtype", "bfloat16")
    assert result.exit_code == 0, result.output
    assert "etna.txt" in run("search", folder, "volcano", "-k", 1).output
    # An encoder that computes in another dtype is compatible with its vectors.
    exact = EntityIndex(folder, encoder=TypeAwareEncoder.from_pretrained(dtype="float32"))
    assert (
        exact.search("volcano", k=1)[0].doc_id
        == EntityIndex(folder).search("volcano", k=1)[0].doc_id
    )


def test_stats(folder):
    output = run("stats", folder).output
    assert re.search(r"documents\s+4\b", output)
    mentions = re.search(r"mentions\s+(\d+)", output)
    assert int(mentions[1]) == EntityIndex(folder).mention_count()
    assert "all-MiniLM-L6-v2" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "{tmp}/none", "river"], "there is no index in"),
        (["search", "{folder}", " "], "query is empty"),
        (["search", "{folder}", "river", "--where", "{{"], "--where is not JSON"),
        (["search", "{folder}", "river", "--where", "[1]"], "--where must be a JSON object"),
        (["search", "{folder}", "river", "-k", "0"], "-k"),
        (["search", "{folder}", "river", "--about", " "], "about is empty"),
        (["search", "{folder}", "river", "--topic-weight", "0.5"], "topic_weight needs a topic"),
        (["stats", "{tmp}/none"], "there is no index in"),
        (["index", "{tmp}/none.txt", "--index", "{tmp}/new"], "none of the paths holds a document"),
        (["index", "{articles}", "--index", "{articles}"], "holds other files"),
        (["index", "{articles}"], "--index"),
        (["bulk", "{tmp}/rows.jsonl", "--server", "{folder}"], "addresses of Chroma servers"),
    ],
)
def test_user_errors_give_one_line_and_exit_code_2(folder, articles, tmp_path, arguments, message):
    filled = [each.format(folder=folder, articles=articles, tmp=tmp_path) for each in arguments]
    result = run(*filled)
    assert result.exit_code == 2
    assert message in re.sub(r"\s+", " ", result.output)
    assert "Traceback" not in result.output


def test_demo(tmp_path):
    result = run("demo", "castle", "-k", "2", "--index", tmp_path / "demo")
    assert result.exit_code == 0
    *lines, last = filter(None, result.output.split("castle\n")[1].splitlines())
    assert len(lines) == 2
    assert all(re.search(r"(0\.\d\d|1\.00) .*\[.+\]", line) for line in lines)
    assert last.startswith("Try next: ner-retriever search")
    assert "100%" in result.output


TRAINING = get_command(app).commands["train"].commands


@pytest.mark.parametrize(
    "command",
    [[], *([name] for name, _, _ in COMMANDS), ["train"], *(["train", name] for name in TRAINING)],
)
def test_help_ends_with_an_example(command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output
    assert " ".join(["Example: ner-retriever", *command]) in result.output


@pytest.mark.parametrize(("name", "example"), [(name, each) for name, _, each in COMMANDS])
def test_help_examples_use_existing_options(name, example):
    command = get_command(app).commands[name]
    with command.make_context(name, shlex.split(example)) as context:
        assert not context.args


@pytest.mark.parametrize("command", TRAINING.values(), ids=TRAINING)
def test_training_help_examples_use_existing_options(command):
    _, name, *arguments = shlex.split(command.epilog.removeprefix("Example: ner-retriever "))
    with command.make_context(name, arguments) as context:
        assert command.name == name and not context.args


def test_version():
    assert run("--version").stdout == f"ner-retriever {__version__}\n"
