"""Any-of, all-of, not and topics against brute force."""

import math
from functools import cache

import numpy as np
import pytest

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Like, Not, TypeAwareEncoder
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.queries.topic import TOPIC_WEIGHT

QUERIES = [
    AnyOf("river", "city"),
    AllOf("river", "person of science"),
    AllOf("river", Not("city")),
    AllOf(AnyOf("river", "city"), AnyOf("reptile", Not("country"))),
    Not("river"),
    AnyOf("river", Not(AllOf("city", "country"))),
    Not(Not("river")),
    AllOf("river"),
]


@cache
def type_vector(encoder, description):
    return encoder.encode_types([description])[0]


def best(encoder, description, one) -> float:
    vector = type_vector(encoder, description)
    return float(encoder.score(vector, one.vectors @ vector).max()) if one.mentions else 0.0


def brute_force(query, encoder, one) -> float:
    """Apply the documented rule literally to one document."""
    if isinstance(query, str):
        return best(encoder, query, one)
    if isinstance(query, Not):
        return 1 - brute_force(query.part, encoder, one)
    parts = [brute_force(part, encoder, one) for part in query.parts]
    return max(parts) if isinstance(query, AnyOf) else min(parts)


def expected(query, encoder, encoded) -> dict[str, float]:
    scores = {doc_id: brute_force(query, encoder, one) for doc_id, one in encoded.items()}
    return {each: score for each, score in scores.items() if encoded[each].mentions or score > 0}


def assert_best(matches, scores, k) -> None:
    ranked = sorted(scores.values(), reverse=True)[:k]
    assert [match.score for match in matches] == pytest.approx(ranked, abs=1e-5)
    for match in matches:
        assert match.score == pytest.approx(scores[match.doc_id], abs=1e-5)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("query", QUERIES, ids=repr)
def test_combined_equals_brute_force(query, exact, index, encoded, tiny_encoder):
    scores = expected(query, tiny_encoder, encoded)
    assert_best(index.search(query, k=12, exact=exact, sharpen=False), scores, 12)
    threshold = float(np.median(list(scores.values())))
    above = {each: score for each, score in scores.items() if score >= threshold - 1e-5}
    found = index.search(
        query, k=None, score_threshold=threshold - 1e-5, exact=exact, sharpen=False
    )
    assert {match.doc_id for match in found} == above.keys()


def test_where_filters_every_part(index, encoded, tiny_encoder, corpus):
    query = AllOf("river", Not("city"))
    odd = {document.id for document in corpus if document.metadata.get("half") == 1}
    scores = expected(query, tiny_encoder, encoded)
    found = index.search(query, k=10, where={"half": 1}, sharpen=False)
    assert_best(found, {each: scores[each] for each in odd}, 10)
    found = index.search(Not("city"), k=200, where={"half": 1})
    assert {match.doc_id for match in found} == odd


@pytest.mark.parametrize("weight", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("river", "river"),
        (AllOf("river", "city", Not("country")), "river, city"),
        (Like("Nile", "Oslofjord"), "Nile, Oslofjord"),
        (Like("Nile", description="river"), "river"),
    ],
)
def test_type_and_topic_equals_brute_force(query, words, weight, index, encoded, tiny_encoder):
    about = "Stegosaurus and then Egypt"
    topic = tiny_encoder.encode([f"{words} {about}"])[0].text_vector
    w = TOPIC_WEIGHT if weight is None else weight
    alone = {
        match.doc_id: match.score for match in index.search(query, k=200, exact=True, sharpen=False)
    }
    scores = {
        doc_id: score ** (1 - w) * max(0.0, float(encoded[doc_id].text_vector @ topic)) ** w
        for doc_id, score in alone.items()
    }
    for exact in (False, True):
        found = index.search(
            query, k=15, about=about, topic_weight=weight, exact=exact, sharpen=False
        )
        assert_best(found, scores, 15)


def test_matches_are_labeled_with_their_type(index, encoded, tiny_encoder):
    query = AllOf("river", AnyOf("city", "reptile"), Not("country"))
    for match in index.search(query, k=20, score_threshold=0.0, sharpen=False):
        assert {each.type for each in match.matches} == {"river", "city", "reptile"}
        for each in match.matches:
            assert match.text[each.start : each.end] == each.text
            assert each.doc_id == match.doc_id
        for description in ("river", "city", "reptile"):
            top = max(each.score for each in match.matches if each.type == description)
            assert top == pytest.approx(
                best(tiny_encoder, description, encoded[match.doc_id]), abs=1e-5
            )


def test_matches_that_determine_a_score_are_listed_however_low(index):
    def types(query):
        found = index.search(query, k=30, exact=True, sharpen=False)
        return [(match, {each.type for each in match.matches}) for match in found if match.matches]

    for match, listed in types(AllOf("river", AllOf("city", Not("country")))):
        assert listed == {"river", "city"}
        least = min(max(m.score for m in match.matches if m.type == t) for t in listed)
        assert match.score <= least + 1e-6
    for match, _ in types(AnyOf("river", "city", "reptile")):
        assert match.score == pytest.approx(match.matches[0].score)
        assert all(each.score >= DEFAULT_THRESHOLD for each in match.matches[1:])
    # Not(AnyOf(Not, Not)) is AllOf.
    for _, listed in types(Not(AnyOf(Not("river"), Not("city")))):
        assert listed == {"river", "city"}


def test_not_alone_finds_documents_without_the_type(index):
    found = index.search(Not("river"), k=3)
    assert {match.doc_id for match in found} == {"ea", "eb", "ec"}
    assert all(match.score == 1 and match.matches == [] for match in found)
    assert all(math.isnan(match.similarity) for match in found)


@pytest.mark.parametrize("exact", [False, True])
def test_search_mentions_applies_the_rule_to_each_mention(exact, index, encoded, tiny_encoder):
    query = AllOf(AnyOf("river", "city"), Not("reptile"))
    vectors = tiny_encoder.encode_types(["river", "city", "reptile"])
    scores = []
    for one in encoded.values():
        for vector in one.vectors:
            river, city, reptile = np.clip(vectors @ vector, 0, 1)
            scores.append(min(max(river, city), 1 - reptile))
    found = index.search_mentions(query, k=25, exact=exact, sharpen=False)
    ranked = sorted(scores, reverse=True)[:25]
    assert [match.score for match in found] == pytest.approx(ranked, abs=1e-5)
    assert {match.type for match in found} <= {"river", "city"}
    with pytest.raises(ValueError, match="Not alone"):
        index.search_mentions(Not("river"))


def test_matches_of_a_single_type_are_labeled(index):
    assert {each.type for each in index.search_mentions("river", k=3)} == {"river"}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: AllOf(), ValueError, "AllOf is empty"),
        (lambda: AnyOf(), ValueError, "AnyOf is empty"),
        (lambda: AnyOf("river", " "), ValueError, "AnyOf: part 1 is empty"),
        (lambda: AllOf("river", 3), TypeError, "AllOf: part 1 must be a string"),
        (lambda: Not(""), ValueError, "Not: part 0 is empty"),
        (lambda: Like(), ValueError, "Like has no examples"),
        (lambda: Like(description="river"), ValueError, "Like has no examples"),
        (lambda: Like("Nile", ""), ValueError, r"Like: examples\[1\] is empty"),
        (lambda: Like("Nile", unlike="Oslo"), TypeError, "unlike must be a list"),
        (lambda: Like("Nile", description=" "), ValueError, "Like: description is empty"),
    ],
)
def test_invalid_queries_are_rejected(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"about": 3}, TypeError, "about must be a string"),
        ({"query": 3, "about": "x"}, TypeError, "query must be a string"),
        ({"query": " ", "about": "x"}, ValueError, "query is empty"),
        ({"about": " "}, ValueError, "about is empty"),
        ({"about": "x", "topic_weight": 2}, ValueError, "topic_weight must be in"),
        ({"topic_weight": 0.2}, ValueError, "topic_weight needs a topic"),
        ({"k": 0, "about": "x"}, ValueError, "k must be"),
        ({"where": {"a": {"$no": 1}}, "about": "x"}, ValueError, "where"),
        ({"where": {"a": {"$no": 1}}, "about": "x", "exact": True}, ValueError, "where"),
    ],
)
def test_invalid_arguments_are_rejected(arguments, error, message, index):
    with pytest.raises(error, match=message):
        index.search(**{"query": "river", **arguments})


def test_topic_requires_text_vectors(tiny_checkpoint):
    index = EntityIndex(encoder=TypeAwareEncoder(tiny_checkpoint, "value@1"))
    index.add([Document("Oslo")], spans=[[(0, 4)]])
    with pytest.raises(ValueError, match="no text vectors"):
        index.search("city", about="Norway")
