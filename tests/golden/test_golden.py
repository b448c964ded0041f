"""Sixty-one queries of every kind, compared with their recorded results.

``expected.json`` holds the recorded ids, spans and scores. It shows the effect of a change to the
ranking; if that is intended, record the results again and commit the difference with the change:

    python tests/golden/test_golden.py

Scores agree to 1e-3 in float32 on any machine; results closer than that may swap ranks.
"""

import json
from pathlib import Path

import pytest
import torch
from seeded import SeededEncoder, documents

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Like, Not
from ner_retriever_rag.encoder import default_encoder

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
SAMPLE = HERE.parents[1] / "ner_retriever_rag" / "cli" / "simple-wikipedia-sample.jsonl"
SAMPLE_STEP = 3  # every third document of the sample, so that encoding takes a few seconds
TOLERANCE = 1e-3
MAX_MENTIONS = 3  # recorded mentions per document; for entities and facets, names

pytestmark = pytest.mark.slow

# For each query: its name, a method of the index, and the arguments.
SAMPLE_QUERIES = [
    ("dinosaur", "search", ["dinosaur"], {}),
    ("river", "search", ["river"], {}),
    ("chemical element", "search", ["chemical element", 5], {}),
    ("Norwegian city", "search", ["Norwegian city", 5], {}),
    ("unsharpened", "search", ["football club", 5], {"sharpen": False}),
    ("page two", "search", ["politician", 5], {"offset": 5}),
    ("one match each", "search", ["country", 8], {"max_matches": 1}),
    ("absent", "search", ["programming language", 3], {}),
    ("any of", "search", [AnyOf("river", "lake"), 8], {}),
    ("alternatives", "search", ["river or mountain in Asia", 8], {}),
    ("all of", "search", [AllOf("person", "award"), 8], {}),
    ("all of, not", "search", [AllOf("city", Not("river")), 8], {}),
    ("not alone", "search", [Not("person"), 5], {}),
    ("any of all of", "search", [AnyOf(AllOf("actor", "film"), "band"), 8], {}),
    ("like a name", "search", [Like("Stegosaurus"), 5], {}),
    ("like two names", "search", [Like("France", "Germany"), 8], {}),
    ("like, described", "search", [Like("London", description="port"), 5], {}),
    ("like, unlike", "search", [Like(description="animal", unlike=["Stegosaurus"]), 5], {}),
    ("about", "search", ["animal", 5], {"about": "lived in the sea"}),
    ("about, weight", "search", ["city", 5], {"about": "in Germany", "topic_weight": 0.4}),
    ("about, exact", "search", ["person", 5], {"about": "won a prize", "exact": True}),
    ("threshold", "search", ["mountain", 10], {"score_threshold": 0.4}),
    ("all volcanoes", "search", ["volcano", None], {}),
    ("all animals from 0.9", "search", ["animal", None], {"score_threshold": 0.9}),
    ("mentions", "search_mentions", ["island", 10], {}),
    ("mentions of all", "search_mentions", [AnyOf("king", "queen"), None], {}),
    ("entities", "entities", ["language", 10], {}),
    ("all entities", "entities", ["planet", None], {}),
    ("entities about", "entities", ["person", 8], {"about": "wrote books"}),
    ("facets", "facets", [12], {}),
    ("extract", "extract", [["river", "mountain"]], {"score_threshold": 0.7}),
]
SEEDED_QUERIES = [
    ("city", "search", ["city"], {}),
    ("film", "search", ["film"], {}),
    ("species", "search", ["species", 20], {}),
    ("football player", "search", ["football player", 5], {}),
    ("unsharpened", "search", ["river", 5], {"sharpen": False}),
    ("exact", "search", ["novel", 5], {"exact": True}),
    ("page three", "search", ["actor", 5], {"offset": 10}),
    ("absent", "search", ["kitchen utensil", 5], {}),
    ("half", "search", ["village", 5], {"where": {"half": 1}}),
    ("half, all of", "search", [AllOf("city", "person"), 5], {"where": {"half": 0}}),
    ("any of", "search", [AnyOf("river", "mountain", "lake"), 8], {}),
    ("all of", "search", [AllOf("actor", "film"), 8], {}),
    ("all of, not", "search", [AllOf("band", Not("album")), 8], {}),
    ("like a name", "search", [Like("Switzerland"), 5], {}),
    ("like, unlike", "search", [Like("Paris", unlike=["London"]), 5], {}),
    ("about", "search", ["city", 5], {"about": "in Switzerland"}),
    ("about, half", "search", ["person", 5], {"about": "born in", "where": {"half": 1}}),
    ("about, all of", "search", [AllOf("city", "river"), 5], {"about": "capital"}),
    ("threshold", "search", ["singer", 20], {"score_threshold": 0.5}),
    ("all islands", "search", ["island", None], {}),
    ("all clubs from 0.9", "search", ["football club", None], {"score_threshold": 0.9}),
    ("mentions", "search_mentions", ["politician", 15], {}),
    ("mentions, all of", "search_mentions", [AllOf("city", "capital city"), 10], {}),
    ("mentions, half", "search_mentions", ["writer", 10], {"where": {"half": 1}}),
    ("entities", "entities", ["country", 15], {}),
    ("all entities", "entities", ["company", None], {"score_threshold": 0.8}),
    ("entities, any of", "entities", [AnyOf("band", "singer"), 10], {}),
    ("facets", "facets", [15], {}),
    ("facets, half", "facets", [10], {"where": {"half": 0}, "examples": 2}),
    ("extract", "extract", [["river", "novel"]], {"score_threshold": 0.95}),
]
MAX_RESULTS = 60  # recorded results per query


@pytest.fixture(scope="module")
def sample(shipped_encoder):
    return sample_index(shipped_encoder)


@pytest.fixture(scope="module")
def seeded(shipped_encoder):
    return seeded_index(shipped_encoder)


@pytest.fixture(scope="module")
def expected():
    return json.loads(EXPECTED.read_text(encoding="utf-8"))


def sample_index(encoder):
    index = EntityIndex(encoder=encoder)
    index.add(sample_documents())
    return index


def sample_documents():
    rows = map(json.loads, SAMPLE.read_text(encoding="utf-8").splitlines()[::SAMPLE_STEP])
    return [Document(row["text"], row["id"]) for row in rows]


def seeded_index(encoder):
    index = EntityIndex(encoder=SeededEncoder(encoder))
    index.add(documents())
    return index


def query_results(index, method, arguments, options):
    """The results of a query: rows of a name, a score and whatever else is compared."""
    results = getattr(index, method)(*arguments, **options)
    return [_row(each) for each in list(results)[:MAX_RESULTS]]


def _row(result):
    match type(result).__name__:
        case "DocumentMatch":
            spans = [_span(each) for each in result.matches[:MAX_MENTIONS]]
            return [result.doc_id, round(result.score, 5), spans]
        case "MentionMatch":
            return [f"{result.doc_id} {result.type} {_span(result)[0]}", round(result.score, 5), []]
        case "Entity":
            return [result.name, round(result.score, 5), [[each, 0] for each in result.documents]]
        case "Facet":
            return [result.type, result.mentions, [[str(result.documents), 0]]]
    raise AssertionError(result)


def _span(match):
    return [f"{match.type} {match.start}-{match.end}", round(match.score, 5)]


def _by_name(rows):
    """Rows by name; a repeated name (entities may share one) gets a number."""
    found = {}
    for row in rows:
        same = sum(name.startswith(f"{row[0]}#") or name == row[0] for name in found)
        found[f"{row[0]}#{same + 1}" if same else row[0]] = row
    return found


def differences(rows, expected):
    """Yield a line for each difference from the expected rows."""
    now, then = (_by_name(each) for each in (rows, expected))
    for name in sorted(now.keys() ^ then.keys()):
        yield f"{name!r} is {'new' if name in now else 'gone'}: {(now | then)[name][1:]}"
    for name in now.keys() & then.keys():
        if abs(now[name][1] - then[name][1]) > TOLERANCE:
            yield f"{name!r}: score {now[name][1]}, not {then[name][1]}"
        shown, recorded = dict(now[name][2]), dict(then[name][2])
        if shown.keys() != recorded.keys():
            yield f"{name!r}: {sorted(shown)}, not {sorted(recorded)}"
        elif any(abs(shown[each] - recorded[each]) > TOLERANCE for each in shown):
            yield f"{name!r}: {shown}, not {recorded}"


@pytest.mark.parametrize("query", SAMPLE_QUERIES, ids=lambda query: query[0])
def test_queries_on_the_sample(query, sample, expected):
    name, *rest = query
    assert not list(differences(query_results(sample, *rest), expected["sample"][name]))


@pytest.mark.parametrize("query", SEEDED_QUERIES, ids=lambda query: query[0])
def test_queries_on_many_mentions(query, seeded, expected):
    name, *rest = query
    assert not list(differences(query_results(seeded, *rest), expected["seeded"][name]))


def test_seeded_index_has_about_twenty_thousand_mentions(seeded):
    assert 15_000 < seeded.mention_count() < 30_000


def test_all_queries_are_recorded(expected):
    names = {
        "sample": [each[0] for each in SAMPLE_QUERIES],
        "seeded": [each[0] for each in SEEDED_QUERIES],
    }
    assert {name: list(rows) for name, rows in expected.items()} == names
    assert sum(map(len, names.values())) == 61


def record():
    torch.cpu.get_capabilities = dict  # float32 on every machine, as in the tests
    encoder = default_encoder()
    indexes = {
        "sample": (sample_index(encoder), SAMPLE_QUERIES),
        "seeded": (seeded_index(encoder), SEEDED_QUERIES),
    }
    expected = {
        name: {query: query_results(index, *rest) for query, *rest in queries}
        for name, (index, queries) in indexes.items()
    }
    lines = [
        f" {json.dumps(name)}: {{\n"
        + ",\n".join(
            f"  {json.dumps(query)}: [\n"
            + ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in rows)
            + "\n  ]"
            for query, rows in queries.items()
        )
        + "\n }"
        for name, queries in expected.items()
    ]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    record()
