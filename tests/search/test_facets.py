"""Which types of entity an index holds, and of which types a single mention is."""

import json

import pytest
from typer.testing import CliRunner

from ner_retriever_rag import Document, EntityIndex, Taxonomy
from ner_retriever_rag.cli import app
from ner_retriever_rag.search import facets

NAMES = {
    "river": ["Nile", "Danube", "Rhine", "Amazon River"],
    "dinosaur": ["Stegosaurus", "Triceratops", "Iguanodon"],
    "city": ["Oslo", "Zürich"],
}
SENTENCES = {
    "river": "The {} flows north to the sea through three countries.",
    "dinosaur": "{} lived in the Jurassic period and ate plants.",
    "city": "{} is a city with an old town and a busy harbour.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shipped_encoder):
    """Indexed with gold spans, so that the counts are known."""
    documents, spans = [], []
    for kind, names in NAMES.items():
        for name in names:
            text = SENTENCES[kind].format(name)
            documents.append(Document(text, id=name, metadata={"kind": kind}))
            spans.append([(text.index(name), text.index(name) + len(name))])
    folder = tmp_path_factory.mktemp("facets") / "index"
    EntityIndex(folder, encoder=shipped_encoder).add(documents, spans=spans)
    return folder


@pytest.fixture(scope="module")
def kinds_index(folder, shipped_encoder):
    return EntityIndex(folder, encoder=shipped_encoder)


def test_types_are_counted_and_have_examples(kinds_index):
    facets = kinds_index.facets(n=30, least_score=0.001)
    counted = {facet.type: facet for facet in facets}
    assert counted["river"].mentions == counted["river"].documents == 4
    assert counted["dinosaur"].mentions >= 2
    assert set(counted["river"].examples) == set(NAMES["river"])
    assert facets == sorted(facets, key=lambda facet: -facet.mentions)
    assert sum(facet.mentions for facet in facets) <= 9


def test_arguments_n_examples_where_and_least_score(kinds_index):
    assert len(kinds_index.facets(n=1)) == 1
    only = kinds_index.facets(where={"kind": "dinosaur"}, examples=2, least_score=0.001)
    assert only[0].type == "dinosaur"
    assert {name for facet in only for name in facet.examples} <= set(NAMES["dinosaur"])
    assert len(only[0].examples) == 2
    assert kinds_index.facets(least_score=0.9999) == []


def test_non_entity_phrases_are_not_used_as_facets(kinds_index, monkeypatch):
    monkeypatch.setattr(facets, "non_entity_phrases", lambda: frozenset({"river"}))
    found = kinds_index.facets(n=30, least_score=0.001)
    assert found and "river" not in {facet.type for facet in found}


def test_overlapped_mention_is_not_counted(shipped_encoder):
    index = EntityIndex(encoder=shipped_encoder)
    index.add([Document("The Nile flows north to the sea.")], spans=[[(0, 8), (4, 8)]])
    assert sum(facet.mentions for facet in index.facets(least_score=0.001)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be"),
        ({"examples": -1}, "examples must be"),
        ({"least_score": 1.0}, "least_score must be"),
        ({"where": {"a": {"$no": 1}}}, "where"),
    ],
)
def test_invalid_arguments_are_rejected(arguments, message, kinds_index):
    with pytest.raises(ValueError, match=message):
        kinds_index.facets(**arguments)


def test_types_of_a_single_mention(shipped_encoder):
    text = SENTENCES["dinosaur"].format("Stegosaurus")
    named = shipped_encoder.types_of(text, (0, 11), n=4)
    assert len(named) == 4 and named[0][0] == "dinosaur"
    scores = [score for _, score in named]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    kinds = shipped_encoder.kinds
    numbers = [kinds.names.index(name) for name, _ in named]
    similar = kinds.vectors[numbers] @ kinds.vectors[numbers].T
    assert similar[0, 1:].max() < 0.8
    with pytest.raises(ValueError, match="n must be"):
        shipped_encoder.types_of(text, (0, 11), n=0)
    with pytest.raises(ValueError, match="span"):
        shipped_encoder.types_of(text, (0, 1000))


def test_fit_is_the_calibrated_score(shipped_encoder):
    kinds = shipped_encoder.kinds
    mention = shipped_encoder.encode(["The Nile is long."], spans=[[(4, 8)]])[0].vectors
    number = kinds.names.index("river")
    score = shipped_encoder.score(kinds.vectors[number], mention @ kinds.vectors[number])[0]
    assert 1 / (1 + 2.718281828 ** -kinds.fit(mention)[0, number]) == pytest.approx(score, abs=1e-4)


def test_facets_command(folder):
    plain = CliRunner().invoke(app, ["facets", str(folder), "-n", "2"])
    assert plain.exit_code == 0 and "river" in plain.output
    rows = CliRunner().invoke(app, ["facets", str(folder), "--json"]).stdout.splitlines()
    assert json.loads(rows[0]).keys() == {"type", "mentions", "documents", "examples", "error"}


TREE = {"river": ["water"], "dinosaur": ["reptile", "fossil"], "reptile": ["animal"]}


def test_facets_of_a_taxonomy_are_rolled_up_to_broader_labels(kinds_index):
    facets = kinds_index.facets(taxonomy=Taxonomy(TREE), least_score=0.1)
    by_type = {facet.type: facet for facet in facets}
    for above in ("reptile", "fossil", "animal"):
        assert set(by_type[above].examples) >= set(NAMES["dinosaur"])
        assert by_type[above].documents >= by_type["dinosaur"].documents == 3
    assert set(by_type["river"].examples) == set(NAMES["river"])
    assert by_type["water"].mentions >= 4
    assert by_type["dinosaur"].path == ("animal", "reptile", "dinosaur")
    assert all(facet.type in Taxonomy(TREE) for facet in facets)
    with pytest.raises(TypeError, match="taxonomy must be a Taxonomy, not a dict"):
        kinds_index.facets(taxonomy=TREE)


def test_mention_counts_once_for_a_label_reached_by_two_paths(kinds_index):
    diamond = Taxonomy({"dinosaur": ["reptile", "fossil"], "reptile": ["old"], "fossil": ["old"]})
    by_type = {each.type: each for each in kinds_index.facets(taxonomy=diamond, least_score=0.1)}
    assert by_type["old"].mentions <= kinds_index.mention_count()
    assert by_type["old"].mentions >= by_type["reptile"].mentions


def test_taxonomy_on_the_command_line(folder, tmp_path):
    kinds = tmp_path / "kinds.csv"
    rows = [f"{label},{'|'.join(terms)}" for label, terms in TREE.items()]
    kinds.write_text("\n".join(["label,broader", *rows]))
    shown = CliRunner().invoke(app, ["facets", str(folder), "--taxonomy", str(kinds)])
    assert shown.exit_code == 0, shown.output
    assert "water > river" in shown.output
    asked = ["extract", str(folder), "--taxonomy", str(kinds), "--threshold", "0.1"]
    found = CliRunner().invoke(app, asked)
    paths = {row["text"]: row["path"] for row in map(json.loads, found.output.splitlines())}
    assert paths["Stegosaurus"] in (["animal", "reptile"], ["animal", "reptile", "dinosaur"])
    assert paths["Nile"] in (["water"], ["water", "river"])
    for wrong in (["extract", str(folder)], [*asked, "--type", "river"]):
        refused = CliRunner().invoke(app, wrong)
        assert refused.exit_code == 2 and "--taxonomy" in refused.output
