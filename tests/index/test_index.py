import threading

import pytest
from hashed import inconsistent_row_ids
from tiny import TEXTS, CapitalizedWords

from ner_retriever_rag import AddReport, Document, EntityIndex, TypeAwareEncoder

DOCUMENTS = [
    Document(text, id=f"d{number}", metadata={"number": number, "even": number % 2 == 0})
    for number, text in enumerate(TEXTS)
]


@pytest.fixture
def index(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add(DOCUMENTS)
    return index


def ids_and_spans(matches):
    return [(match.doc_id, [(m.start, m.end) for m in match.matches]) for match in matches]


def test_add_reports_what_it_did(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    first = index.add(DOCUMENTS)
    assert (first.added, first.replaced, first.unchanged) == (5, 0, 0)
    assert first.mentions == index.mention_count() > 8
    assert not inconsistent_row_ids(index)
    assert index.add(DOCUMENTS) == AddReport(unchanged=5)
    changed = Document(TEXTS[0], id="d1")
    report = index.add([DOCUMENTS[0], changed])
    assert (report.replaced, report.unchanged) == (1, 1)
    assert index.count() == 5


def test_replacing_removes_the_old_version_completely(index):
    index.add([Document("Lima lies in Peru.", id="d1", metadata={"fresh": True})])
    assert index.get("d1") == [Document("Lima lies in Peru.", "d1", {"fresh": True})]
    mentions = [match for match in index.search_mentions("city", k=100) if match.doc_id == "d1"]
    assert {match.text for match in mentions} == {"Lima", "Peru"}
    assert "d1" not in [match.doc_id for match in index.search("city", where={"number": 1})]
    assert [match.doc_id for match in index.search("city", where={"fresh": True})] == ["d1"]


def test_changed_metadata_alone_replaces_a_document(index):
    report = index.add([Document(TEXTS[2], id="d2", metadata={"number": 99})])
    assert report.replaced == 1
    assert [match.doc_id for match in index.search("river", where={"number": 99})] == ["d2"]
    assert index.get("d2")[0].metadata == {"number": 99}


def test_delete_and_get(index):
    assert [document.id for document in index.get(["d3", "none", "d0"])] == ["d3", "d0"]
    assert index.get("d3") == [DOCUMENTS[3]]
    assert index.delete(["d3", "none", "d3"]) == 1
    assert index.get("d3") == []
    assert index.count() == 4
    left = index.search_mentions("person", k=None, score_threshold=0.0)
    assert left and all(match.doc_id != "d3" for match in left)
    assert index.delete([]) == 0


@pytest.mark.parametrize("query", ["city", "person", "river", "dinosaur"])
def test_approximate_search_agrees_with_brute_force(index, query):
    assert ids_and_spans(index.search(query, k=3)) == ids_and_spans(
        index.search(query, k=3, exact=True)
    )
    for k in (3, None):
        one = index.search_mentions(query, k=k, score_threshold=0.2)
        other = index.search_mentions(query, k=k, score_threshold=0.2, exact=True)
        assert [(m.doc_id, m.start) for m in one] == [(m.doc_id, m.start) for m in other]


def test_k_counts_documents_not_mentions(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    crowded = Document(", ".join(["Oslo"] * 300) + " and Rome.", id="crowded")
    index.add([crowded, *(Document(f"Here is Oslo, number {n}.", id=f"o{n}") for n in range(9))])
    matches = index.search("city", k=8)
    assert len({match.doc_id for match in matches}) == 8
    assert len(index.search("city", k=100)) == 10
    assert index.search("city", k=1)[0].matches


def test_results_are_sorted_and_scored_by_their_best_mention(index):
    matches = index.search("city", k=5)
    assert [match.score for match in matches] == sorted((m.score for m in matches), reverse=True)
    for match in matches:
        assert match.score == match.matches[0].score
        assert 0 <= match.score <= 1
        for mention in match.matches:
            assert match.text[mention.start : mention.end] == mention.text
            assert isinstance(mention.score, float) and isinstance(mention.similarity, float)


def test_score_threshold_with_k_none(index, tiny_encoder):
    vector = tiny_encoder.encode_types(["city"])[0]
    cosines = {}
    for document, encoded in zip(DOCUMENTS, tiny_encoder.encode(TEXTS), strict=True):
        cosines[document.id] = float((encoded.vectors @ vector).max())
    ranked = sorted(cosines.values())
    middle = (ranked[1] + ranked[2]) / 2  # between the scores of two documents
    expected = {doc_id for doc_id, cosine in cosines.items() if cosine >= middle}
    matches = index.search("city", k=None, score_threshold=middle)
    assert {match.doc_id for match in matches} == expected
    assert all(m.score >= middle - 1e-6 for match in matches for m in match.matches)
    half = {match.doc_id for match in index.search("city", k=None)}
    assert half == {doc_id for doc_id, cosine in cosines.items() if cosine >= 0.5}
    assert index.search("city", k=2, score_threshold=1.0) == []


def test_where_filters_documents(index):
    assert {m.doc_id for m in index.search("city", where={"even": True})} == {"d0", "d2", "d4"}
    both = {"$and": [{"even": True}, {"number": {"$gt": 1}}]}
    assert {m.doc_id for m in index.search("city", where=both)} == {"d2", "d4"}
    assert {m.doc_id for m in index.search("city", where=both, exact=True)} == {"d2", "d4"}
    assert index.search("city", where={"number": 77}) == []
    assert len(index.search("city", where={})) == 5


def test_empty_index(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    assert index.count() == 0
    assert index.search("city") == index.search_mentions("city", k=None) == []
    assert index.search("city", exact=True) == []
    assert index.add([]) == AddReport()


def test_document_without_mentions_is_kept(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    assert index.add(["no names in here"]) == AddReport(added=1)
    assert index.count() == 1
    assert index.search("city") == []


def test_given_spans_are_used_instead_of_detected_ones(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add(["the nile and the rhine"], spans=[[(4, 8), (17, 22)]])
    assert {match.text for match in index.search_mentions("river")} == {"nile", "rhine"}
    assert index.add(["the nile and the rhine"], spans=[[(4, 8)]]).replaced == 1
    assert [match.text for match in index.search_mentions("river")] == ["nile"]


def test_add_accepts_a_generator(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    report = index.add(f"Place{n} is number {n}." for n in range(600))
    assert (report.added, report.mentions, index.count()) == (600, 600, 600)


def test_metadata_round_trips(tiny_encoder):
    metadata = {"s": "ü\n", "i": -3, "f": 0.5, "b": True, "l": ["a", "b"], "n": [1, 2], "": 1}
    del metadata[""]
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("Oslo", metadata=metadata), "Rome"])
    match = index.search("city", where={"l": {"$contains": "a"}})[0]
    assert match.metadata == metadata
    assert match.metadata["b"] is True


def test_index_on_disk_can_be_reopened(tiny_encoder, tmp_path):
    EntityIndex(tmp_path / "deep" / "er", encoder=tiny_encoder).add(DOCUMENTS)
    again = EntityIndex(tmp_path / "deep" / "er", encoder=tiny_encoder)
    assert again.count() == 5
    assert again.add(DOCUMENTS) == AddReport(unchanged=5)
    assert ids_and_spans(again.search("city", k=2)) == ids_and_spans(
        again.search("city", k=2, exact=True)
    )


def test_collections_in_one_folder_are_separate(tiny_encoder, tmp_path):
    one = EntityIndex(tmp_path, collection="one", encoder=tiny_encoder)
    two = EntityIndex(tmp_path, collection="two", encoder=tiny_encoder)
    one.add(DOCUMENTS[:2])
    two.add(DOCUMENTS[2:])
    assert (one.count(), two.count()) == (2, 3)


def test_indexes_in_memory_are_separate(tiny_encoder):
    one, two = EntityIndex(encoder=tiny_encoder), EntityIndex(encoder=tiny_encoder)
    one.add(DOCUMENTS)
    assert two.count() == 0


def test_searches_while_documents_are_replaced(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    versions = [[Document(f"{name} is {n}.", id=f"x{n}") for n in range(40)]
                for name in ("Oslo", "Rome Lima")]  # fmt: skip
    index.add(versions[0])
    failures = []

    def search():
        for _ in range(30):
            for match in index.search("city", k=5):
                if match.text[match.matches[0].start : match.matches[0].end] not in (
                    "Oslo", "Rome Lima",
                ):  # fmt: skip
                    failures.append(match)

    thread = threading.Thread(target=search)
    thread.start()
    for turn in range(6):
        index.add(versions[(turn + 1) % 2])
    thread.join()
    assert not failures
    assert index.count() == 40


def test_index_with_an_encoder_without_text_vectors(tiny_checkpoint):
    encoder = TypeAwareEncoder(tiny_checkpoint, "value@1", detector=CapitalizedWords())
    index = EntityIndex(encoder=encoder)
    index.add(DOCUMENTS)
    assert len(index.search("city")) == 5
    assert index.encoded(DOCUMENTS)[0].text_vector is None
    assert index.storage().text_width == 1
