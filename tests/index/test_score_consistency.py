"""A query yields the same score through every interface."""

import pytest
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Like, Not
from ner_retriever_rag.index.matching import match_documents
from ner_retriever_rag.langchain import EntityTypeFilter, NERTypeRetriever
from ner_retriever_rag.llama_index import EntityTypePostprocessor, EntityTypeTagger

TEXTS = {
    "a": "Stegosaurus lived in the Jurassic, long before Tyrannosaurus.",
    "b": "Oslo is the capital of Norway and lies on the Oslofjord.",
    "c": "The Nile flows through Egypt and Sudan to the Mediterranean Sea.",
    "d": "Ada Lovelace wrote a program for the machine of Charles Babbage.",
    "e": "The rivers of Egypt are few: the Nile.",
    "f": "nothing is named in here",
}
DOCUMENTS = [Document(text, doc_id) for doc_id, text in TEXTS.items()]


@pytest.fixture(scope="module")
def index(shipped_encoder):
    index = EntityIndex(encoder=shipped_encoder)
    index.add(DOCUMENTS)
    return index


def approx(scores):
    return {each: pytest.approx(score, abs=1e-4) for each, score in scores.items()}


QUERIES = [
    "river",
    "dinosaur",
    "Norwegian city",
    AnyOf("river", "city"),
    AllOf("river", Not("dinosaur")),
    Like("Stegosaurus"),
]


@pytest.mark.parametrize("rerank", [0, None])
@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_every_interface_gives_a_document_the_same_score(index, shipped_encoder, query, rerank):
    options = {"score_threshold": 0.0, "rerank": rerank}
    scores = {m.doc_id: m.score for m in index.search(query, k=None, **options)}
    scores = {doc_id: score for doc_id, score in scores.items() if score > 0}
    assert 5 <= len(scores) <= 6

    retriever = NERTypeRetriever(index=index, k=10, **options)
    found = {each.metadata["doc_id"]: each.metadata["score"] for each in retriever.invoke(query)}
    assert {each: score for each, score in found.items() if score > 0} == approx(scores)

    given = [LangChainDocument(page_content=text, id=doc_id) for doc_id, text in TEXTS.items()]
    nodes = [NodeWithScore(node=TextNode(text=text, id_=each)) for each, text in TEXTS.items()]
    for where in ({"encoder": shipped_encoder}, {"index": index}):
        kept = EntityTypeFilter(entity_type=query, threshold=0.0, rerank=rerank, **where)
        of_filter = {each.id: each.metadata["score"] for each in kept.compress_documents(given, "")}
        ranked = EntityTypePostprocessor(entity_type=query, rerank=rerank, **where)
        nodes_found = ranked.postprocess_nodes(nodes, QueryBundle("not asked"))
        of_nodes = {each.node.node_id: each.score for each in nodes_found}
        for found in (of_filter, of_nodes):
            assert {each: score for each, score in found.items() if score > 0} == approx(scores)

    outside = {
        m.doc_id: m.score for m in match_documents(shipped_encoder, DOCUMENTS, query, rerank=rerank)
    }
    assert {each: score for each, score in outside.items() if score > 0} == approx(scores)


def test_pair_model_tells_a_river_from_the_sea_it_flows_into(index):
    """It is applied unless ``rerank=0`` asks for none."""
    plain, judged = (
        {(m.doc_id, m.text): m.score for m in index.search_mentions("river", k=None, **options)}
        for options in ({"score_threshold": 0.0, "rerank": 0}, {"score_threshold": 0.0})
    )
    assert plain.keys() == judged.keys() and plain != judged
    nile, sea = ("c", "Nile"), ("c", "Mediterranean Sea")
    assert judged[nile] > 0.5 > judged[sea]


def test_every_interface_gives_a_mention_the_same_score(index, shipped_encoder):
    every = index.search("river", k=None, score_threshold=0.0)
    scores = {(m.doc_id, m.start): m.score for match in every for m in match.matches}
    found = index.search_mentions("river", k=None, score_threshold=0.0)
    assert {(m.doc_id, m.start): m.score for m in found} == approx(scores)
    rows = index.extract(["river"], score_threshold=0.0)
    assert {(m.doc_id, m.start): m.score for m in rows} == approx(scores)
    outside = match_documents(shipped_encoder, DOCUMENTS, "river", threshold=0.0)
    assert {(m.doc_id, m.start): m.score for one in outside for m in one.matches} == approx(scores)
    once = {each.name: each.score for each in index.entities("river") if each.mentions == 1}
    of_name = {m.text: m.score for m in found if m.text in once}
    assert once == approx(of_name)


def test_tagger_and_facets_use_the_same_scores(index, shipped_encoder):
    found = index.search_mentions("river", k=None, score_threshold=0.0)
    between = sorted({m.score for m in found})
    least = (between[-1] + between[-2]) / 2
    tagger = EntityTypeTagger(entity_types=["river"], threshold=least, encoder=shipped_encoder)
    nodes = tagger([TextNode(text=text, id_=each) for each, text in TEXTS.items()])
    tagged = {name for node in nodes for name in node.metadata.get("river", [])}
    assert tagged == {m.text for m in found if m.score >= least}
    # There are too many kinds to rerank.
    plain = index.search_mentions("river", k=None, score_threshold=0.0, rerank=0)
    best = max(m.score for m in plain)
    counted = {each.type for each in index.facets(n=50, least_score=min(0.999999, best * 0.99))}
    assert "river" in counted
    assert "river" not in {each.type for each in index.facets(n=50, least_score=1 - 1e-9)}


def test_different_texts_with_one_id_are_told_apart(shipped_encoder):
    first, second = Document("The Nile flows north.", "a"), Document("Oslo is a city.", "a")
    found = match_documents(shipped_encoder, [first, second, first], "river")
    assert found[0] == found[2] and found[1].text == second.text
    assert found[0].score > found[1].score
