"""The document store: Haystack's own test suite, and filters that agree with Haystack's."""

import pytest
from hashed import HashedEncoder
from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from haystack.testing.document_store import DocumentStoreBaseTests, create_filterable_docs
from haystack.testing.document_store_async import (
    CountDocumentsAsyncTest,
    DeleteDocumentsAsyncTest,
)

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.haystack import EntityDocumentStore
from ner_retriever_rag.haystack.filters import to_where


def store():
    return EntityDocumentStore(index=EntityIndex(encoder=HashedEncoder()))


class TestEntityDocumentStore(
    DocumentStoreBaseTests, CountDocumentsAsyncTest, DeleteDocumentsAsyncTest
):
    """Haystack's suite; documents are returned in any order and without embeddings."""

    @pytest.fixture
    def document_store(self):
        return store()

    @staticmethod
    def assert_documents_are_equal(received, expected):
        ours, theirs = (
            sorted((each.id, each.content, sorted(each.meta.items())) for each in some)
            for some in (received, expected)
        )
        assert ours == theirs

    def test_write_documents(self, document_store):
        document = Document(content="Oslo lies in Norway.")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError, match=document.id):
            document_store.write_documents([Document(content="new"), document])
        assert document_store.count_documents() == 1  # the new document was not written either


@pytest.fixture(scope="module")
def filterable():
    filled = store()
    filled.write_documents(create_filterable_docs())
    return filled


def meta(field, operator, value):
    return {"field": f"meta.{field}", "operator": operator, "value": value}


def joined(operator, *conditions):
    return {"operator": operator, "conditions": list(conditions)}


INTRO, MANY = meta("chapter", "==", "intro"), meta("number", ">", -5)
NAMED = meta("page", "!=", "90")


@pytest.mark.parametrize(
    "filters",
    [
        {},
        INTRO,
        NAMED,
        MANY,
        {"field": "number", "operator": "<=", "value": -2},
        meta("page", "in", ["90", "100"]),
        meta("page", "not in", ["90", "100"]),
        meta("no_embedding", "==", True),
        joined("AND", INTRO, MANY),
        joined("OR", INTRO, meta("page", "==", "90")),
        joined("NOT", INTRO),
        joined("NOT", INTRO, NAMED),
        joined("NOT", joined("OR", INTRO, meta("page", "in", ["90"])), NAMED),
        joined("NOT", joined("NOT", INTRO)),
    ],
)
def test_translated_filter_selects_the_same_documents_in_chroma(filterable, filters):
    ours = {each.id for each in filterable.index.documents(to_where(filters))}
    assert ours == {each.id for each in filterable.filter_documents(filters)}
    assert ours


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (meta("date", ">", "1972-12-11"), "numbers"),
        (meta("page", "==", None), "None"),
        (meta("page", "in", "90"), "list"),
        (meta("page", "~", "90"), "unknown comparison"),
        (joined("NOT", MANY), "opposite"),
        (joined("XOR", MANY, INTRO), "unknown logical"),
        (joined("AND"), "empty"),
        ({"field": "content", "operator": "==", "value": "x"}, "not in the metadata"),
        ({"field": "meta.page", "value": "x"}, "'operator' key missing"),
        ({"operator": "AND"}, "'conditions' key missing"),
    ],
)
def test_filters_that_chroma_cannot_express_are_rejected(filters, said):
    with pytest.raises(FilterError, match=said):
        to_where(filters)


def test_document_without_content_is_rejected_and_nothing_is_written():
    empty = store()
    with pytest.raises(ValueError, match="has no content"):
        empty.write_documents([Document(content="Oslo"), Document(content=None, id="picture")])
    assert empty.count_documents() == 0


def test_duplicate_policy_keeps_the_last_or_the_first_of_equal_ids():
    twice = [Document(id="1", content="Oslo"), Document(id="1", content="Nile")]
    for policy, kept, written in (
        (DuplicatePolicy.OVERWRITE, "Nile", 2),
        (DuplicatePolicy.SKIP, "Oslo", 1),
    ):
        filled = store()
        assert filled.write_documents(twice, policy) == written
        assert [each.content for each in filled.filter_documents()] == [kept]


def test_to_dict_round_trip_reopens_the_store_by_path(tmp_path):
    first = EntityDocumentStore(tmp_path / "index", collection="news")
    first.write_documents([Document(content="Oslo lies in Norway.", id="1", meta={"n": 1})])
    data = first.to_dict()
    first.close()
    again = EntityDocumentStore.from_dict(data)
    assert again.to_dict() == data
    assert data["init_parameters"]["path"] == str(tmp_path / "index")
    (found,) = again.filter_documents()
    assert (found.id, found.content, found.meta) == ("1", "Oslo lies in Norway.", {"n": 1})
    again.close()


def test_store_over_an_open_index_cannot_be_serialized():
    with pytest.raises(ValueError, match="by path"):
        store().to_dict()
    with pytest.raises(ValueError, match="not both"):
        EntityDocumentStore("folder", index=EntityIndex(encoder=HashedEncoder()))
