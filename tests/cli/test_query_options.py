"""Options of a search, and the query they build."""

import pytest
from hostile import run

from ner_retriever_rag import AllOf, AnyOf, Like, Not


@pytest.mark.parametrize(
    ("options", "query", "words"),
    [
        (["river"], "river", "river"),
        (["river", "--any-of", "lake", "--any-of", "sea"], AnyOf("river", "lake", "sea"),
         "river or lake or sea"),
        (["--any-of", "river"], "river", "river"),
        (["river", "--all-of", "city"], AllOf("river", "city"), "river, city"),
        (["river", "--not", "city", "--not", "war"], AllOf("river", Not("city"), Not("war")),
         "river, not city, not war"),
        (["--not", "city"], Not("city"), "not city"),
        (["river", "--any-of", "lake", "--all-of", "city", "--not", "war"],
         AllOf(AnyOf("river", "lake"), "city", Not("war")), "river or lake, city, not war"),
        (["--like", "Oslo", "--like", "Rome"], Like("Oslo", "Rome"), "like Oslo, Rome"),
        (["port", "--like", "Oslo", "--unlike", "Rome"],
         Like("Oslo", description="port", unlike=["Rome"]), "port"),
    ],
)  # fmt: skip
def test_options_build_the_query(stub, options, query, words):
    result = run("search", "x", *options)
    assert result.exit_code == 0, result.output
    assert stub.asked[:2] == (query, 10)
    assert result.stdout.splitlines()[0] == words


def test_every_option_reaches_the_index(stub):
    result = run(
        "search", "x", "river", "--all", "--offset", "20", "--max-matches", "3", "--no-sharpen",
        "--exact", "--threshold", "0.4", "--about", "in Asia", "--topic-weight", "0.2",
        "--where", '{"lang": "en"}', "--rerank", "7", "--named",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    _, k, options = stub.asked
    assert (k, options) == (None, {
        "where": {"lang": "en"}, "score_threshold": 0.4, "about": "in Asia", "topic_weight": 0.2,
        "exact": True, "sharpen": False, "offset": 20, "max_matches": 3, "rerank": 7, "named": True,
    })  # fmt: skip


@pytest.mark.parametrize("options", [["--unlike", "Rome"], ["river", "--not", ""]])
def test_invalid_queries_are_rejected(stub, options):
    result = run("search", "x", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
