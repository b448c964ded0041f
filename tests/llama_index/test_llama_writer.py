"""The step of an ingestion pipeline that writes into an index."""

import logging

import pytest
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, NodeRelationship, RelatedNodeInfo, TextNode
from pydantic import ValidationError

from ner_retriever_rag import EntityIndex
from ner_retriever_rag.llama_index import EntityIndexWriter, NERTypeRetriever


@pytest.fixture
def index(tiny_encoder) -> EntityIndex:
    return EntityIndex(encoder=tiny_encoder)


def splitting_pipeline(index: EntityIndex, **fields) -> IngestionPipeline:
    splitter = SentenceSplitter(chunk_size=16, chunk_overlap=0)
    return IngestionPipeline(transformations=[splitter, EntityIndexWriter(index=index, **fields)])


def report(*sentences: str) -> Document:
    return Document(id_="report", text=" ".join(sentences), metadata={"lang": "en"})


SENTENCES = (
    "The Nile flows through Egypt and Sudan to the Sea.",
    "Oslo is the capital of Norway and lies on the Oslofjord.",
    "Ada Lovelace wrote a program for the Engine of Charles.",
)


async def test_pipeline_writes_its_nodes_into_the_index(index):
    written = splitting_pipeline(index).run(documents=[report(*SENTENCES)])
    assert len(written) == index.count() > 1
    found = NERTypeRetriever(index, similarity_top_k=9).retrieve("city")
    by_id = {node.node_id: node for node in written}
    assert {each.node_id: each.node for each in found} == by_id
    assert all("matches" not in node.metadata for node in written)
    more = await splitting_pipeline(index).arun(documents=[Document(id_="b", text=SENTENCES[0])])
    assert index.get([node.node_id for node in more])
    assert NERTypeRetriever(index).delete_ref_doc("report") == len(written)


def test_pipeline_cache_never_skips_the_write(index):
    pipeline = splitting_pipeline(index)
    first = pipeline.run(documents=[report(*SENTENCES)])
    index.delete([node.node_id for node in first])
    again = pipeline.run(documents=[report(*SENTENCES)])
    # The splitter's output comes from the cache.
    assert [node.node_id for node in again] == [node.node_id for node in first]
    assert index.count() == len(first)


@pytest.mark.parametrize("replace", [False, True])
def test_replace_deletes_nodes_of_an_earlier_version(index, replace):
    other = TextNode(id_="other", text="The Rhine.")
    NERTypeRetriever(index).add_nodes([other])
    before = splitting_pipeline(index, replace=replace).run(documents=[report(*SENTENCES)])
    after = splitting_pipeline(index, replace=replace).run(documents=[report(SENTENCES[1])])
    kept = {"other", *(node.node_id for node in after)}
    if not replace:
        kept |= {node.node_id for node in before}
    assert {each.id for each in index.documents()} == kept


def test_failed_run_leaves_the_index_unchanged(index):
    """A duplicate id is rejected; the earlier version of the document is still found."""
    splitting_pipeline(index, replace=True).run(documents=[report(*SENTENCES)])
    before = {each.id for each in index.documents()}
    nodes = [TextNode(id_="new", text=text) for text in SENTENCES[:2]]
    for node in nodes:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="report")
    with pytest.raises(ValueError, match="'new'"):
        EntityIndexWriter(index=index, replace=True)(nodes)
    assert {each.id for each in index.documents()} == before
    EntityIndexWriter(index=index, replace=True)(nodes[:1])
    assert [each.id for each in index.documents()] == ["new"]


def test_nodes_without_text_are_passed_on_but_not_indexed(index, caplog):
    nodes = [TextNode(id_="a", text="Oslo"), TextNode(id_="b", text=" ")]
    with caplog.at_level(logging.INFO, "ner_retriever_rag"):
        assert EntityIndexWriter(index=index)(nodes) == nodes
    assert [each.id for each in index.documents()] == ["a"]
    assert "1 of 2 nodes" in caplog.text


def test_invalid_index_is_rejected():
    with pytest.raises(ValidationError, match="index"):
        EntityIndexWriter(index="folder")
