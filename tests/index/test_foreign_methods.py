"""What users of other libraries will try: attributes, keywords, documents, stores."""

import pytest
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import Document as SourceDocument
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.langchain import NERTypeRetriever
from ner_retriever_rag.llama_index import NERTypeRetriever as NodeRetriever


@pytest.fixture
def index(encoder):
    return EntityIndex(encoder=encoder)


def test_errors_for_attributes_of_other_libraries_suggest_the_right_code(index):
    with pytest.raises(AttributeError, match=r"NERTypeRetriever\(index=index, k=4\) of .*langcha"):
        index.as_retriever()
    with pytest.raises(AttributeError, match=r"index\.add\(documents\)"):
        index.add_documents([])
    with pytest.raises(AttributeError, match="^EntityIndex has no 'serach'$"):
        index.serach("river")
    assert not hasattr(index, "as_retriever")


@pytest.mark.parametrize(
    ("method", "wrong", "right"),
    [
        ("search", "filter", "where"),
        ("search", "top_k", "k"),
        ("search", "n_results", "k"),
        ("search", "threshold", "score_threshold"),
        ("search", "sharpem", "sharpen"),
        ("search_many", "filter", "where"),
        ("search_mentions", "similarity_top_k", "k"),
        ("entities", "filter", "where"),
        ("extract", "filters", "where"),
        ("facets", "top_k", "n"),
        ("delete", "filter", "where"),
    ],
)
def test_error_for_a_wrong_keyword_suggests_the_right_one(index, method, wrong, right):
    asked = {"search_many": (["river"],), "extract": (["river"],), "facets": (), "delete": ()}
    with pytest.raises(TypeError, match=rf"{method}\(\) takes no '{wrong}': .*\b{right}="):
        getattr(index, method)(*asked.get(method, ("river",)), **{wrong: 1})


def test_errors_for_chromas_keywords_suggest_the_right_ones(index):
    with pytest.raises(TypeError, match=r"'ids': give Document\(text, id=\.\.\., metadata"):
        index.add(["Oslo"], ids=["a"])
    with pytest.raises(TypeError, match=r"^EntityIndex\(\) takes no 'persist_\w+': it is path="):
        EntityIndex(persist_directory="x")


def test_langchain_documents_round_trip(index):
    given = [
        LangChainDocument("Oslo is a city.", id="oslo", metadata={"page": 3}),
        LangChainDocument("The Nile is long.", metadata={"page": 4}),
    ]
    assert index.add(given).added == 2
    assert index.add(iter(given)).unchanged == 2  # without an id, the same one is assigned again
    assert index.get("oslo")[0].metadata == {"page": 3}
    found = NERTypeRetriever(index=index, k=2).invoke("city")
    assert {each.page_content for each in found} == {each.page_content for each in given}
    # The retriever's ``add_documents`` assigns the same ids.
    NERTypeRetriever(index=index).add_documents(given)
    assert len(index) == 2
    with pytest.raises(TypeError, match="not a single .*Document"):
        index.add(given[0])
    report = index.add([LangChainDocument(" ")], errors="skip")
    assert report.failed[0].document == 0


def test_llama_index_nodes_round_trip(index):
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="atlas")}
    nodes = [
        TextNode(id_="oslo", text="Oslo is a city.", metadata={"none": None}, relationships=source),
        SourceDocument(id_="nile", text="The Nile is long."),
    ]
    assert index.add(nodes).added == 2
    found = {each.node_id: each.node for each in NodeRetriever(index).retrieve("city")}
    assert found == {each.node_id: each for each in nodes}
    assert index.delete(where={"ref_doc_id": "atlas"}) == 1


def test_documents_of_other_classes_are_rejected(index):
    class Page:
        page_content = "Oslo"

    with pytest.raises(TypeError, match=r"documents\[0\] must be a Document .*Page"):
        index.add([Page()])
