"""The lifecycle of an index: what it contains, what changes, what is skipped."""

import numpy as np
import pytest
from hashed import inconsistent_row_ids

from ner_retriever_rag import Document, EntityIndex

NILE, OSLO = "The Nile flows through Egypt.", "Oslo lies in Norway."


@pytest.fixture
def small_index(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document(NILE, "nile", {"lang": "en", "n": 1}), Document(OSLO, "oslo", {"n": 2})])
    return index


@pytest.fixture
def forbid_encoding(tiny_encoder, monkeypatch):
    def switch():
        monkeypatch.setattr(
            type(tiny_encoder), "encode", lambda *_, **__: pytest.fail("encoded again")
        )

    return switch


def test_open_rejects_a_missing_index(tmp_path, tiny_encoder):
    with pytest.raises(FileNotFoundError, match="no index in .*misspelt"):
        EntityIndex.open(tmp_path / "misspelt", encoder=tiny_encoder)
    assert not (tmp_path / "misspelt").exists()
    EntityIndex(tmp_path / "there", encoder=tiny_encoder).close()
    with EntityIndex.open(tmp_path / "there", encoder=tiny_encoder) as index:
        assert len(index) == 0


def test_len_and_in(small_index):
    assert len(small_index) == 2 and "nile" in small_index
    assert "volga" not in small_index and 3 not in small_index


def test_documents_are_iterated_in_batches_and_filtered(small_index):
    assert {each.id for each in small_index.documents(batch=1)} == {"nile", "oslo"}
    (english,) = small_index.documents({"lang": "en"})
    assert english == Document(NILE, "nile", {"lang": "en", "n": 1})


def test_delete_by_filter(small_index):
    assert small_index.delete(where={"n": {"$gt": 1}}) == 1
    assert "oslo" not in small_index and len(small_index) == 1
    for arguments in ({}, {"ids": "nile", "where": {"n": 1}}):
        with pytest.raises(ValueError, match="ids or where"):
            small_index.delete(**arguments)


def test_changed_metadata_is_not_a_reason_to_encode(small_index, forbid_encoding):
    before = small_index._tables.current()
    forbid_encoding()
    report = small_index.add([Document(NILE, "nile", {"lang": "fr"})])
    assert report.replaced == 1 and small_index.get("nile")[0].metadata == {"lang": "fr"}
    assert [d.id for d in small_index.documents({"lang": "fr"})] == ["nile"]
    after = small_index._tables.current()
    assert after.vectors == pytest.approx(before.vectors)


def test_stored_text_under_another_id_is_not_encoded(small_index, forbid_encoding):
    forbid_encoding()
    report = small_index.add([Document(OSLO, "capital", {"n": 2})])
    assert report.added == 1 and report.mentions == 2
    assert {"capital", "oslo"} <= {each.id for each in small_index.documents({"n": 2})}


def test_two_copies_of_a_stored_text_are_not_encoded(small_index, forbid_encoding):
    forbid_encoding()
    report = small_index.add([Document(OSLO, "one", {"n": 2}), Document(OSLO, "two", {"n": 2})])
    assert (report.added, report.mentions) == (2, 4)
    vectors = [
        one.vectors
        for one in small_index.encoded([Document(OSLO, each) for each in ("oslo", "one", "two")])
    ]
    assert len(vectors[0]) == 2
    assert (vectors[1] == vectors[0]).all() and (vectors[2] == vectors[0]).all()


def test_encoded_reads_the_vectors_of_stored_documents(small_index, tiny_encoder, monkeypatch):
    asked, encode = [], type(tiny_encoder).encode

    def noted(self, texts, *arguments):
        asked.extend(texts)
        return encode(self, texts, *arguments)

    monkeypatch.setattr(type(tiny_encoder), "encode", noted)
    documents = [
        Document("Lima.", "lima"), Document(OSLO, "oslo"), Document("Rome and Oslo.", "nile"),
    ]  # fmt: skip
    found = small_index.encoded(documents)
    assert asked == ["Lima.", "Rome and Oslo."]
    expected = encode(tiny_encoder, [each.text for each in documents])
    for one, other in zip(found, expected, strict=True):
        spans = [[(each.start, each.end) for each in e.mentions] for e in (one, other)]
        assert spans[0] == spans[1]
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)
        np.testing.assert_allclose(one.text_vector, other.text_vector, atol=1e-5)
    asked.clear()
    small_index.add([Document("nobody is named.", "empty")])
    assert asked == ["nobody is named."]
    (empty,) = small_index.encoded(small_index.get("empty"))
    assert empty.mentions == [] and empty.vectors.shape == (0, tiny_encoder.dim)
    assert asked == ["nobody is named."]


def test_encoded_reencodes_incomplete_documents(small_index, tiny_encoder):
    (record,) = small_index._store.fetch(["oslo"]).values()
    small_index._store.mentions.delete(record.row_ids(small_index._store.per_row)[:1])
    (found,) = small_index.encoded([record.document])
    (expected,) = tiny_encoder.encode([OSLO])
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)


def test_changed_text_or_spans_are_encoded(small_index):
    report = small_index.add([Document("Oslo lies in Norway, by the Oslofjord.", "oslo", {"n": 2})])
    assert report.replaced == 1 and report.mentions == 3
    assert (
        small_index.add([Document(NILE, "nile", {"lang": "en", "n": 1})], spans=[[(4, 8)]]).mentions
        == 1
    )
    table = small_index._tables.current()
    assert {table.text(n) for n in range(len(table))} == {"Nile", "Oslo", "Norway", "Oslofjord"}


def test_order_of_given_spans_does_not_matter(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    document = Document(NILE, "nile")
    index.add([document], spans=[[(4, 8), (23, 28)]])
    assert index.add([document], spans=[[(23, 28), (4, 8)]]).unchanged == 1
    assert index.add([document], spans=[[(4, 8)]]).mentions == 1
    assert index.add([document]).replaced == 1  # detected now, no longer the given spans
    assert index.mention_count() == 2 and not inconsistent_row_ids(index)


def test_documents_that_swap_texts_are_both_replaced(small_index):
    report = small_index.add(
        [Document(OSLO, "nile", {"n": 2}), Document(NILE, "oslo", {"lang": "en", "n": 1})]
    )
    assert (report.replaced, report.unchanged, report.mentions) == (2, 0, 4)
    assert [each.text for each in small_index.get(["nile", "oslo"])] == [OSLO, NILE]


def test_documents_that_cannot_be_indexed_are_skipped_and_reported(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    bad = [
        " ",
        3,
        Document(OSLO, "twice"),
        Document(NILE, "twice"),
        Document(NILE, "odd", {"$a": 1}),
    ]
    report = index.add([*bad, Document(OSLO, "good")], errors="skip")
    assert report.added == len(index) == 2
    assert [each.document for each in report.failed] == [0, 1, "twice", "odd"]
    assert "empty" in report.failed[0].reason and "$" in report.failed[3].reason
    with pytest.raises(ValueError, match="spans\\[0\\]"):
        index.add([OSLO], spans=[[(0, 99)]])
    skipped = index.add([OSLO, NILE], spans=[[(0, 99)], [(4, 8)]], errors="skip")
    assert skipped.added == 1 and skipped.failed[0].document == 0
    with pytest.raises(ValueError, match="errors must be"):
        index.add([], errors="ignore")


def test_empty_filter_or_topic_is_ignored(small_index):
    assert small_index.search("river", about="", where={}) == small_index.search("river")
    assert small_index.entities("river", about="") == small_index.entities("river")
