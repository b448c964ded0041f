"""The rules of the search engine: sharpening, overlapping matches, pages, entities."""

import numpy as np
import pytest
from hashed import CalibratedEncoder

from ner_retriever_rag import AllOf, Document, EntityIndex, Like, Not
from ner_retriever_rag.index.entities import joint_score

TEXTS = [
    "Stegosaurus lived in the Jurassic, long before Tyrannosaurus.",
    "Oslo is the capital of Norway and lies on the Oslofjord.",
    "The Nile flows through Egypt and Sudan to the Mediterranean Sea.",
    "Ada Lovelace wrote a program for the Analytical Engine of Charles Babbage.",
]


def test_results_do_not_depend_on_document_order(tiny_encoder):
    documents = [Document(text, f"d{n}") for n, text in enumerate(TEXTS)]
    forth, back = EntityIndex(encoder=tiny_encoder), EntityIndex(encoder=tiny_encoder)
    forth.add(documents)
    for document in reversed(documents):
        back.add([document])
    for query in ("river", AllOf("city", Not("reptile")), Like("Nile")):
        one, other = forth.search(query), back.search(query)
        assert [m.doc_id for m in one] == [m.doc_id for m in other]
        assert [m.score for m in one] == pytest.approx([m.score for m in other], abs=1e-6)


def test_sharpening_applies_to_every_search_method():
    index = EntityIndex(encoder=CalibratedEncoder())
    index.add([Document(f"{text} {n}", f"d{n}") for n, text in enumerate(TEXTS * 10)])
    plain = [m.score for m in index.search_mentions("river", k=20, sharpen=False)]
    assert [m.score for m in index.search_mentions("river", k=20)] != plain
    for search in (index.search, index.entities):
        sharp = [each.score for each in search("river", k=10)]
        assert sharp != [each.score for each in search("river", k=10, sharpen=False)]


def test_pages_add_up_to_the_whole_result(index):
    whole = index.search("river", k=30)
    pages = [index.search("river", k=10, offset=start) for start in (0, 10, 20)]
    assert [m.doc_id for page in pages for m in page] == [m.doc_id for m in whole]
    mentions = index.search_mentions("river", k=30)
    assert index.search_mentions("river", k=10, offset=20) == mentions[20:]


def test_search_many_equals_single_searches(index):
    queries = ["river", AllOf("city", Not("reptile"))]
    assert index.search_many(queries, k=5) == [index.search(query, k=5) for query in queries]
    with pytest.raises(TypeError, match="list of queries"):
        index.search_many("river")


def test_only_the_best_of_overlapping_matches_is_listed(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("the Nile Delta in Egypt", "a")],
              spans=[[(4, 8), (4, 14), (9, 14), (18, 23)]])  # fmt: skip
    (match,) = index.search("river", score_threshold=0.0)
    spans = sorted((m.start, m.end) for m in match.matches)
    assert (18, 23) in spans
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
    best = max(index.extract(["river"], score_threshold=0, overlapping=True), key=lambda m: m.score)
    assert best.text in {m.text for m in match.matches}
    assert len(index.search("river", score_threshold=0.0, max_matches=1)[0].matches) == 1
    mentions = sorted((m.start, m.end) for m in index.search_mentions("river"))
    assert mentions == spans


def test_repetition_of_the_query_ranks_below_a_name(shipped_encoder):
    index = EntityIndex(encoder=shipped_encoder)
    index.add(["A volcano is a mountain. Some volcanoes are active.", "Mount Etna lies on Sicily."])
    assert index.search_mentions("volcano", k=1)[0].text == "Mount Etna"


def test_documents_without_mentions_are_not_returned(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add(["no names in here", "and none in there"])
    assert index.search("river") == []
    index.add(TEXTS)
    assert len(index.search("river")) == len(TEXTS)


def test_entities_group_the_mentions_of_a_name(index, encoded):
    # With these random vectors, ``join`` would split a name in unlike contexts into two entities.
    every = index.entities("river", k=None, score_threshold=0.0, join=False)
    found = {each.name: each for each in every}
    for name, entity in found.items():
        places = [(d, m) for d, one in encoded.items() for m in one.mentions if m.text == name]
        assert entity.mentions == len(places)
        assert entity.documents == sorted({doc_id for doc_id, _ in places})
    assert "Nile" in found and len(found) == len({name.casefold() for name in found})
    first = index.entities("river", k=3)
    assert [each.score for each in first] == sorted((e.score for e in first), reverse=True)


def test_spellings_of_one_name_are_one_entity(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("the Nile and Nile's NILE", "a")], spans=[[(0, 8), (13, 19), (20, 24)]])
    (entity,) = index.entities("river")
    assert entity.mentions == 3 and set(entity.names) == {"the Nile", "Nile's", "NILE"}


def test_repeated_mentions_reinforce_the_score_of_an_entity():
    often, once = joint_score(np.array([0.8, 0.8, 0.8])), joint_score(np.array([0.8]))
    assert often > once == pytest.approx(0.8)
    assert joint_score(np.array([0.2] * 3)) < 0.2
    assert joint_score(np.array([0.9, 0.1])) == pytest.approx(0.5)
