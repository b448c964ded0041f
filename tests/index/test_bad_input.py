"""Each invalid input raises an error that names the argument, and no data is lost."""

import os
import re
import warnings

import chromadb
import numpy as np
import pytest
from hashed import HashedEncoder

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Like, Not, TypeAwareEncoder


@pytest.fixture(scope="module")
def index(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("Oslo is in Norway.", id="kept", metadata={"n": 1})])
    return index


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"query": ""}, ValueError, "query is empty"),
        ({"query": " \t\n"}, ValueError, "query is empty"),
        ({"query": 7}, TypeError, "query must be a string, not int"),
        ({"query": None}, TypeError, "query must be a string"),
        ({"k": 0}, ValueError, "k must be a positive whole number or None, not 0"),
        ({"k": -1}, ValueError, "k must be"),
        ({"k": 2.5}, ValueError, "k must be"),
        ({"k": True}, ValueError, "k must be"),
        ({"score_threshold": 1.5}, ValueError, r"score_threshold must be in \[0, 1\]"),
        ({"score_threshold": -0.1}, ValueError, "score_threshold"),
        ({"where": {"n": {"$foo": 1}}}, ValueError, r"where: Chroma rejects.*\$foo"),
        ({"where": {"a": 1, "b": 2}}, ValueError, r"where: Chroma rejects.*\$and.*'a': 1.*'b': 2"),
        ({"where": {"n": {"$foo": 1}}, "exact": True}, ValueError, "where: Chroma rejects"),
    ],
)
@pytest.mark.parametrize("method", ["search", "search_mentions"])
def test_search_rejects_invalid_arguments(index, method, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(index, method)(**{"query": "city", **arguments})


@pytest.mark.parametrize(
    ("documents", "error", "message"),
    [
        ("Oslo", TypeError, "documents must be a list"),
        (Document("Oslo"), TypeError, "documents must be a list"),
        (b"Oslo", TypeError, r"documents\[0\] must be a Document \(ours.*\) or a string, not int"),
        ({"id": "Oslo"}, TypeError, "documents must be a list.*not a single dict"),
        (None, TypeError, "documents must be a list"),
        (3, TypeError, "documents must be a list"),
        (
            ["Oslo", 3],
            TypeError,
            r"documents\[1\] must be a Document \(ours.*\) or a string, not int",
        ),
        (["Oslo", None], TypeError, r"documents\[1\]"),
        (["Oslo", "Rome", "Oslo"], ValueError, r"documents\[2\] has the id .* of documents\[0\]"),
        ([Document("a", id="x"), Document("b", id="x")], ValueError, "id 'x'"),
    ],
)
def test_add_rejects_invalid_documents(index, documents, error, message):
    with pytest.raises(error, match=message):
        index.add(documents)
    assert index.count() == 1


@pytest.mark.parametrize(
    "value", [object(), "\ud800", ["\ud800"], {"a": object()}], ids=["object", "half", "in", "deep"]
)
def test_unstorable_metadata_values_are_rejected(index, value):
    documents = ["Rome", Document("Lima", id="lima", metadata={"good": 1, "bad": value})]
    with pytest.raises(ValueError, match="metadata key 'bad' of document 'lima'"):
        index.add(documents)
    assert index.count() == 1


def test_self_referencing_metadata_is_rejected(index):
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="metadata key 'bad' of document .* nested too deep"):
        index.add([Document("Lima", metadata={"bad": endless})])


@pytest.mark.parametrize(
    "key", ["", "ner:text", "chroma:document", 3, "$and", "$price", "#document", "\ud800"]
)
def test_invalid_metadata_keys_are_rejected(index, key):
    """If the last document of a list cannot be stored, none of the list is."""
    documents = [f"Town{number} in Peru" for number in range(300)]
    with pytest.raises(ValueError, match=re.escape(f"metadata key {key!r}")):
        index.add([*documents, Document("Lima", metadata={key: 1})])
    assert index.count() == 1


@pytest.mark.parametrize("where", [[], "lang", 3, [("lang", "en")]])
def test_filter_must_be_a_mapping(index, where):
    for search in (index.search, index.search_mentions):
        with pytest.raises(TypeError, match="where must be a mapping"):
            search("city", where=where)


def test_too_many_filter_values_are_not_reported_as_a_damaged_index(index):
    with pytest.raises(ValueError, match="where: .*too many values"):
        index.search("city", where={"n": {"$in": list(range(100_000))}})


def test_too_deeply_nested_filter_is_rejected(index):
    where = {"n": 1}
    for _ in range(3_000):
        where = {"$and": [where, {"n": 1}]}
    for ask in (lambda: index.search("city", where=where), lambda: index.delete(where=where)):
        with pytest.raises(ValueError, match="where is nested too deep"):
            ask()
    assert index.count() == 1


@pytest.mark.parametrize("many", [1_100, 15_000])
def test_filter_with_too_many_conditions_for_chroma_is_rejected(index, many):
    """Chroma would report damaged files, or crash the process."""
    branches = [{"n": number} for number in range(many)]
    pairs = [{"$or": [{"n": number}, {"n": -number}]} for number in range(many)]
    for where in ({"$or": branches}, {"$and": pairs}, {"$and": [{"n": 1}, {"$or": branches}]}):
        for ask in (index.search, index.extract):
            with pytest.raises(ValueError, match="where has too many conditions: at most 900"):
                list(ask(["city"] if ask == index.extract else "city", where=where))
    with pytest.raises(ValueError, match="at most 900"):
        index.delete(where={"$or": branches})
    with pytest.raises(ValueError, match="at most 900"):
        list(index.documents(where={"$or": branches}))


def test_largest_allowed_filters_are_accepted(index):
    found = [match.doc_id for match in index.search("city")]
    strings = [{"s": {"$ne": str(number)}} for number in range(900)]
    assert [match.doc_id for match in index.search("city", where={"$and": strings})] == found
    index.search("city", where={"n": {"$in": list(range(15_990))}})
    where = {"n": 1}
    for _ in range(49):
        where = {"$or": [where, {"n": 1}]}
    index.search("city", where=where)
    with pytest.raises(ValueError, match="where is nested too deep: at most 50"):
        index.search("city", where={"$and": [{"$or": [where, where]}, {"n": 2}]})


def test_self_referencing_filter_is_rejected(index):
    endless: dict = {}
    endless["$or"] = [endless, endless]
    with pytest.raises(ValueError, match="where (has too many conditions|is nested too deep)"):
        index.search("city", where=endless)


def test_error_for_a_rejected_filter_is_shortened(index):
    where = {"$no": "x" * 100_000, **{f"key{number}": "y" * 1_000 for number in range(300)}}
    with pytest.raises(ValueError, match="where: Chroma rejects") as told:
        index.search("city", where=where)
    assert len(str(told.value)) < 2_000


@pytest.mark.parametrize("number", [2**31, 2**40, 2**63, 10**5_000], ids=["32", "40", "63", "huge"])
def test_numbers_above_the_32_bit_maximum_are_rejected(index, number):
    for ask in (
        lambda: index.search("city", number),
        lambda: index.search("city", number, about="in Peru"),
        lambda: index.search("city", 1, offset=number),
        lambda: index.search("city", 1, max_matches=number),
        lambda: index.search_mentions("city", number),
        lambda: index.entities("city", number),
        lambda: index.facets(number),
        lambda: list(index.documents(batch=number)),
    ):
        with pytest.raises(ValueError, match=r"must be at most 2,147,483,647"):
            ask()


def test_largest_k_and_offset_return_only_existing_documents(index):
    most = 2**31 - 1
    for about in (None, "in Peru"):
        assert [each.doc_id for each in index.search("city", most, about=about)] == ["kept"]
        assert index.search("city", 1, offset=most - 1, about=about) == []


def test_descriptions_and_queries_have_a_size_limit(index):
    for ask in (
        lambda: index.search("city " * 401),
        lambda: index.search(Like("x" * 2_001)),
        lambda: index.search(Like("Lima", description="x" * 2_001)),
        lambda: index.search("city", about="x" * 2_001),
        lambda: list(index.extract(["x" * 2_001])),
    ):
        with pytest.raises(ValueError, match=r"has 2,\d\d\d characters: at most 2,000"):
            ask()
    many = [f"type {number}" for number in range(1_001)]
    with pytest.raises(ValueError, match="query is nested too deep, or has too many parts"):
        index.search(AnyOf(*many))
    with pytest.raises(ValueError, match="types are 1,001: at most 1,000"):
        list(index.extract(many))
    with pytest.raises(ValueError, match="Like: examples are 1,001: at most 1,000"):
        Like(*many)


def test_query_with_exponentially_repeated_parts_is_rejected(index):
    """Twenty levels of doubled parts would expand to a million types, all the same."""
    twins = "city"
    with pytest.raises(ValueError, match="too many parts: at most 100 .* 1,000 types in all"):
        for _ in range(20):
            twins = AllOf(twins, twins)
        index.search(twins)


def test_too_deeply_nested_queries_are_rejected(index):
    """Including one that the constructors would not allow, and one with equal parts."""
    with pytest.raises(ValueError, match="Not: part 0 is nested too deep"):
        query = "city"
        for _ in range(3_000):
            query = Not(query)
    endless = Not("city")
    object.__setattr__(endless, "part", endless)
    for ask in (index.search, index.search_mentions, index.entities):
        with pytest.raises(ValueError, match="query is nested too deep"):
            ask(endless)
    twins = "city"
    with pytest.raises(ValueError, match="AllOf: part 0 is nested too deep"):
        for _ in range(200):
            twins = AllOf(twins, twins)
    query = "city"
    for _ in range(100):
        query = Not(query)
    assert index.search(query) == index.search(Not(Not("city")))


@pytest.mark.parametrize("span", [(0, 99), (-1, 2), (3, 3), (4, 2)])
def test_span_outside_the_text_is_rejected(index, span):
    with pytest.raises(ValueError, match=r"spans\[0\].*4 characters"):
        index.add(["Lima"], spans=[[span]])
    with pytest.raises(ValueError, match="spans is for 1 documents"):
        index.add(["Lima", "Rome"], spans=[[]])
    assert index.count() == 1


@pytest.mark.parametrize("spans", [None, 3, "ab", [3], [(0.0, 2.5)], [(0, 2, 3)], ["ab"], [None]])
def test_malformed_spans_are_rejected(index, tiny_encoder, spans):
    """If the last document of a list has malformed spans, none of the list is written."""
    towns = [f"Town{number} in Peru" for number in range(300)]
    with pytest.raises(TypeError, match=r"spans\[300\]"):
        index.add([*towns, "Lima"], spans=[*([(0, 4)] for _ in towns), spans])
    assert index.count() == 1
    with pytest.raises(TypeError, match=r"spans\[0\]"):
        tiny_encoder.encode(["Lima"], spans=[spans])


@pytest.mark.parametrize(
    "spans",
    [
        [np.array([[0, 4], [8, 12]])],
        np.array([[[0, 4], [8, 12]]]),
        [[(np.int64(0), np.uint8(4)), [8, 12]]],
        [(span for span in [(0, 4), (8, 12)])],
        iter([[(0, 4), (8, 12)]]),
        [[(False, 4), (8, 12)]],
    ],
    ids=["array", "one array", "numbers", "generator", "iterator", "bool"],
)
def test_spans_are_stored_as_plain_integers(tiny_encoder, spans):
    index, text = EntityIndex(encoder=tiny_encoder), "Lima or Rome"
    assert index.add([text], spans=spans).mentions == 2
    (record,) = index._store.fetch([Document(text).id]).values()
    assert record.spans == [(0, 4), (8, 12)]
    assert all(type(place) is int for span in record.spans for place in span)
    assert index.add([text], spans=[[(0, 4), (8, 12)]]).unchanged == 1
    assert index._store.row_ids() == record.row_ids(4)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"text": ""}, ValueError),
        ({"text": None}, TypeError),
        ({"text": "a", "id": 3}, TypeError),
        ({"text": "a", "id": ""}, ValueError),
        ({"text": "a", "metadata": [1]}, TypeError),
    ],
)
def test_document_rejects_invalid_fields(arguments, error):
    with pytest.raises(error, match=r"Document\.(text|id|metadata)"):
        Document(**arguments)


def test_invalid_ids_are_rejected(index):
    with pytest.raises(TypeError, match="ids must be a string"):
        index.delete([3])
    with pytest.raises(ValueError, match="ids is empty"):
        index.get([""])
    for nothing in (3, None):
        with pytest.raises(TypeError, match="ids must be a string or a list"):
            index.get(nothing)
    assert "\ud800" not in index and "kept" in index
    assert index.count() == 1


def test_index_of_another_encoder_is_rejected(tiny_encoder, tiny_checkpoint, tmp_path):
    EntityIndex(tmp_path, encoder=tiny_encoder).add(["Oslo"])
    other = TypeAwareEncoder(tiny_checkpoint, "hidden@1", detector=tiny_encoder)
    with pytest.raises(ValueError, match=r"value@1\+hidden@3.*not with.*hidden@1"):
        EntityIndex(tmp_path, encoder=other)
    assert EntityIndex(tmp_path, encoder=tiny_encoder).count() == 1


def test_index_with_other_dimensions_is_rejected(tmp_path):
    """Even if the encoder's fingerprint is the same."""
    narrow = HashedEncoder()
    narrow.dim = 8
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        index.add(["Oslo"])
    with pytest.raises(ValueError, match="vectors of 16.*vectors of 8"):
        EntityIndex(tmp_path, encoder=narrow)


def test_garbage_in_the_lock_file_is_ignored(tmp_path):
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        index.add(["Oslo"])
    (tmp_path / ".ner-retriever.lock").write_bytes(
        b"99999999999999999999 writes\n\xff\xff\n-3 reads\n" + b"9" * 6_000 + b" writes\n"
    )
    with EntityIndex(tmp_path, encoder=HashedEncoder()) as index:
        assert index.count() == 1


def test_index_of_an_unknown_format_is_rejected(tiny_encoder, tmp_path):
    EntityIndex(tmp_path, encoder=tiny_encoder)
    for collection in chromadb.PersistentClient(tmp_path).list_collections():
        collection.modify(metadata={**collection.metadata, "ner:format": 99})
    with pytest.raises(ValueError, match="format 99"):
        EntityIndex(tmp_path, encoder=tiny_encoder)


def test_folder_with_other_files_is_rejected(tiny_encoder, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds other files"):
        EntityIndex(tmp_path, encoder=tiny_encoder)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_foreign_chroma_collections_are_not_opened_as_indexes(tiny_encoder, tmp_path):
    client = chromadb.PersistentClient(tmp_path)
    client.create_collection("recipes", embedding_function=None)
    with pytest.raises(ValueError, match="something else.*recipes"):
        EntityIndex(tmp_path, encoder=tiny_encoder)
    with pytest.raises(ValueError, match="'recipes' exists and was made by something else"):
        EntityIndex(client=client, collection="recipes", encoder=tiny_encoder)
    EntityIndex(client=client, collection="news", encoder=tiny_encoder).add(["Oslo"])


def test_broken_database_is_reported(tiny_encoder, tmp_path):
    (tmp_path / "chroma.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(ValueError, match="cannot be opened as an index"):
        EntityIndex(tmp_path, encoder=tiny_encoder)


def test_folder_that_cannot_be_created_is_reported(tiny_encoder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="path: the index folder .* cannot be created"):
        EntityIndex(tmp_path / "file" / "index", encoder=tiny_encoder)


def test_folder_without_write_permission_is_reported(tiny_encoder, tmp_path, monkeypatch):
    # Tests may run as root, to whom permissions do not apply.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="path: the index folder .* cannot be written"):
        EntityIndex(tmp_path, encoder=tiny_encoder)


def test_path_and_client_are_mutually_exclusive(tiny_encoder, tmp_path):
    with pytest.raises(ValueError, match="path or client"):
        EntityIndex(tmp_path, client=chromadb.EphemeralClient(), encoder=tiny_encoder)


def test_invalid_collection_name_is_rejected(tiny_encoder, tmp_path):
    with pytest.raises(ValueError, match="collection '-'"):
        EntityIndex(tmp_path, collection="-", encoder=tiny_encoder)


def test_filter_on_an_unknown_metadata_key_warns(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("Oslo lies in Norway.", metadata={"lang": "en", "n": 1})])
    with pytest.warns(UserWarning, match="no document has the metadata key 'language'"):
        assert index.search("city", where={"$and": [{"language": "en"}, {"n": 1}]}) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert index.search("city", where={"lang": "no"}) == []
