"""Types by example, and feedback, against brute force."""

import numpy as np
import pytest

from ner_retriever_rag import AnyOf, Document, EntityIndex, Like, MentionMatch, refine
from ner_retriever_rag.queries.query_vectors import EXAMPLES_WEIGHT, UNLIKE_WEIGHT


def unit(vector):
    return vector / np.linalg.norm(vector)


def mean_of(name, encoded):
    """Return the normalized mean vector of the mentions with this name, ignoring case."""
    found = [
        vector
        for one in encoded.values()
        for mention, vector in zip(one.mentions, one.vectors, strict=True)
        if mention.text.casefold() == name.casefold()
    ]
    return unit(np.mean(found, axis=0))


def assert_ranked_by(vector, query, index, encoded):
    scores = {
        doc_id: float(np.clip((one.vectors @ vector).max(), 0, 1)) if one.mentions else 0.0
        for doc_id, one in encoded.items()
    }
    found = index.search(query, k=15, exact=True, sharpen=False)
    best = sorted(scores.values(), reverse=True)[:15]
    assert [match.score for match in found] == pytest.approx(best, abs=1e-5)
    for match in found:
        assert match.score == pytest.approx(scores[match.doc_id], abs=1e-5)


def test_names_are_represented_by_their_mentions(index, encoded):
    vector = unit((mean_of("Nile", encoded) + mean_of("Oslofjord", encoded)) / 2)
    assert_ranked_by(vector, Like("nile", " Oslofjord "), index, encoded)


def test_name_that_is_not_in_the_index_is_encoded_alone(index, encoded, tiny_encoder):
    bare = tiny_encoder.encode(["Danube"], spans=[[(0, 6)]])[0].vectors[0]
    assert_ranked_by(bare, Like("Danube"), index, encoded)


def test_description_examples_and_counterexamples_are_weighted(index, encoded, tiny_encoder):
    one, other = index.search_mentions("city", k=2)
    place = [mention.start for mention in encoded[other.doc_id].mentions].index(other.start)
    vector = unit(
        tiny_encoder.encode_types(["river"])[0]
        + EXAMPLES_WEIGHT * mean_of("Nile", encoded)
        - UNLIKE_WEIGHT * encoded[other.doc_id].vectors[place]
    )
    query = Like("Nile", description="river", unlike=[other])
    assert_ranked_by(vector, query, index, encoded)
    assert {match.type for match in index.search_mentions(query, k=3)} == {"river"}
    assert {match.type for match in index.search_mentions(Like(one), k=3)} == {f"like {one.text}"}


def test_refine_extends_the_query(index):
    first, second, third = index.search("river", k=3)
    query = refine("river", relevant=[first, "Nile"], irrelevant=[second.matches[0]])
    assert query == Like(first.matches[0], "Nile", description="river", unlike=[second.matches[0]])
    again = refine(query, irrelevant=[third])
    assert again.examples == query.examples
    assert again.unlike == (second.matches[0], third.matches[0])
    assert refine(Like("Nile"), ["Oslofjord"]) == Like("Nile", "Oslofjord")
    assert index.search(again, k=3) != []


def test_feedback_changes_the_ranking(index):
    before = index.search_mentions("river", k=200, exact=True, sharpen=False)
    worst = before[-1]
    after = index.search_mentions(
        refine("river", [worst], before[:3]), k=200, exact=True, sharpen=False
    )
    place = [(each.doc_id, each.start) for each in after].index((worst.doc_id, worst.start))
    assert place < len(after) // 4


def test_deleted_example_is_reported(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("Oslo is a city.", id="a"), Document("Rome is one.", id="b")])
    found = index.search_mentions("city", k=2)
    index.delete("a")
    with pytest.raises(ValueError, match=r"example 'Oslo' \(0-4\) is no longer .* document 'a'"):
        index.search(Like(*found))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("river",), ValueError, "relevant or irrelevant"),
        ((AnyOf("river", "lake"), ["Nile"]), TypeError, "query must be a string or a Like"),
        (("", ["Nile"]), ValueError, "query is empty"),
        (("river", "Nile"), TypeError, "relevant must be a list"),
        (("river", [], MentionMatch("a", "b", 0, 1, 0.5, 0.5)), TypeError, "irrelevant must be"),
        (("river", [3]), TypeError, r"examples\[0\]"),
        (("river", [], [" "]), ValueError, r"unlike\[0\] is empty"),
    ],
)
def test_invalid_feedback_is_rejected(arguments, error, message):
    with pytest.raises(error, match=message):
        refine(*arguments)


def test_document_without_a_match_cannot_be_an_example(index):
    from ner_retriever_rag import Not

    empty = index.search(Not("river"), k=1)[0]
    with pytest.raises(ValueError, match=f"document {empty.doc_id!r} has no match"):
        refine("river", [empty])
