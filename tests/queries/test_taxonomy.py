"""Labels of SKOS and OWL files and of tables, and their broader labels."""

import pytest

from ner_retriever_rag import Taxonomy

SKOS = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix : <http://example.org/kinds/> .
:k1 a skos:Concept ; skos:prefLabel "animal"@en, "Tier"@de ; skos:altLabel "beast"@en .
:k2 a skos:Concept ; skos:prefLabel "reptile"@en-GB, "Reptil"@de ; skos:broader :k1 .
:k3 a skos:Concept ; skos:prefLabel "nur deutsch"@de ; skos:broader :k2 .
:k4 a skos:Concept ; skos:prefLabel "dinosaur" ; skos:broader :k3 .
:k5 a skos:Concept ; skos:prefLabel "old kind"@en ; owl:deprecated true ; skos:broader :k1 .
:k1 skos:narrower :k6 .
:k6 skos:prefLabel "bird"@en .
"""
OWL = """
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix : <http://example.org/onto#> .
:Thing9 a owl:Class ; rdfs:label "settlement" ; rdfs:subClassOf owl:Thing .
:CapitalCity a owl:Class ; rdfs:subClassOf :Thing9,
    [ a owl:Restriction ; owl:onProperty :of ; owl:someValuesFrom :Country ] .
:MONDO_0000001 a owl:Class ; rdfs:subClassOf :Thing9 .
:Country a owl:Class .
"""
TABLE = """label,broader,notes
dinosaur,reptile,
reptile,animal | living thing,
dinosaur,fossil,said twice
"""


def broader_of(taxonomy):
    return {label: set(taxonomy.broader(label)) for label in taxonomy}


def write_file(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def rdf():
    return pytest.importorskip("rdflib", reason="needs the extra [ontology]")


def test_skos_uses_preferred_labels(tmp_path, rdf):
    kinds = Taxonomy.read(write_file(tmp_path, "kinds.ttl", SKOS))
    assert broader_of(kinds) == {
        "animal": set(),
        "reptile": {"animal"},
        "dinosaur": {"reptile"},  # skips the concept without an English label
        "bird": {"animal"},
    }
    german = Taxonomy.read(tmp_path / "kinds.ttl", language="de")
    assert german.path("dinosaur") == ("Tier", "Reptil", "nur deutsch", "dinosaur")


@pytest.mark.parametrize(("ending", "notation"), [("nt", "nt"), ("rdf", "xml"), ("jsonld", None)])
def test_other_rdf_formats_give_the_same_taxonomy(tmp_path, rdf, ending, notation):
    first = write_file(tmp_path, "kinds.ttl", SKOS)
    other = tmp_path / f"kinds.{ending}"
    rdf.Graph().parse(first).serialize(other, format=notation or "json-ld")
    assert broader_of(Taxonomy.read(other)) == broader_of(Taxonomy.read(first))


def test_owl_uses_labels_or_names_that_are_words(tmp_path, rdf):
    kinds = Taxonomy.read(write_file(tmp_path, "onto.ttl", OWL))
    assert broader_of(kinds) == {
        "settlement": set(),
        "CapitalCity": {"settlement"},
        "Country": set(),
    }


def test_a_table_of_labels_and_broader_terms(tmp_path):
    kinds = Taxonomy.read(write_file(tmp_path, "kinds.csv", TABLE))
    assert broader_of(kinds) == {
        "dinosaur": {"reptile", "fossil"},
        "reptile": {"animal", "living thing"},
        "fossil": set(),
        "animal": set(),
        "living thing": set(),
    }
    assert kinds.above("dinosaur") == ("reptile", "fossil", "animal", "living thing")
    assert kinds.path("dinosaur") == ("animal", "reptile", "dinosaur")
    tabs = Taxonomy.read(write_file(tmp_path, "kinds.tsv", "label\tbroader\nlake\twater\n"))
    assert tabs.path("lake") == ("water", "lake")


def test_cycle_of_equivalent_classes_terminates():
    kinds = Taxonomy({"car": ["auto"], "auto": ["car", "vehicle"], "bus": ["bus", "vehicle"]})
    assert kinds.above("car") == ("auto", "vehicle")
    assert kinds.path("car") == ("vehicle", "auto", "car")
    assert kinds.broader("bus") == ("vehicle",)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("kinds.csv", "name,broader\nlake,water\n", "no column label"),
        ("kinds.csv", "label,broader\n,water\n", "line 2"),
        ("kinds.csv", "label,broader\n", "no labels"),
        ("kinds.ttl", "this is no turtle", "kinds.ttl cannot be read as turtle"),
        ("kinds.ttl", "", "no labels in 'en'"),
        ("kinds.docx", "", "must end in"),
    ],
)
def test_error_for_an_invalid_file_gives_the_reason(tmp_path, name, text, said):
    if name.endswith("ttl"):
        pytest.importorskip("rdflib", reason="needs the extra [ontology]")
    with pytest.raises(ValueError, match=said):
        Taxonomy.read(write_file(tmp_path, name, text))


def test_invalid_taxonomies_are_rejected(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        Taxonomy.read(tmp_path / "missing.ttl")
    with pytest.raises(TypeError, match="must map"):
        Taxonomy(["lake"])
    with pytest.raises(TypeError, match="'lake' must be a list"):
        Taxonomy({"lake": "water"})
    for broader in ({}, {" ": []}, {"lake": [""]}):
        with pytest.raises(ValueError):
            Taxonomy(broader)
