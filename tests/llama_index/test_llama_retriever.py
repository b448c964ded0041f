"""``NERTypeRetriever`` as a LlamaIndex retriever."""

import asyncio
import json
import pickle
import time

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms.mock import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import (
    Document,
    IndexNode,
    MediaResource,
    Node,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from llama_index.core.tools import RetrieverTool
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from ner_retriever_rag import Document as IndexedDocument
from ner_retriever_rag import EntityIndex
from ner_retriever_rag.llama_index import MatchedNode, NERTypeRetriever, TypeQuery


def test_results_are_the_nodes_that_were_added(retriever, nodes, make_nodes):
    first = retriever.retrieve("dinosaur")[0]
    assert isinstance(first, MatchedNode) and isinstance(first, NodeWithScore)
    assert first.node == nodes[0] == make_nodes()[0]
    assert first.node.hash == nodes[0].hash
    assert first.node.ref_doc_id == "file-dinosaur"
    assert "matches" not in first.node.metadata and "score" not in first.node.metadata
    match = first.matches[0]
    assert match.keys() == {"text", "start", "end", "score"}
    assert first.text[match["start"] : match["end"]] == match["text"] == "Stegosaurus"
    assert first.score == match["score"]


@pytest.mark.parametrize(
    "node",
    [
        TextNode(id_="a", text="Oslo is a city.", metadata={"deep": {"er": [1, None]}}),
        Document(id_="b", text="Oslo is a city.", metadata={"n": 1.5}),
        IndexNode(id_="c", text="Oslo is a city.", index_id="other"),
        Node(id_="d", text_resource=MediaResource(text="Oslo is a city.")),
    ],
    ids=lambda node: node.class_name(),
)
def test_every_class_of_node_round_trips(node, tiny_encoder, tmp_path):
    NERTypeRetriever.from_defaults(nodes=[node], path=tmp_path / "index", encoder=tiny_encoder)
    again = NERTypeRetriever.from_defaults(path=tmp_path / "index", encoder=tiny_encoder)
    found = again.retrieve("city")[0].node
    assert type(found) is type(node)
    assert (found, found.hash, found.node_id) == (node, node.hash, node.node_id)
    (document,) = again.index.get([node.node_id])
    # The text is stored only once.
    assert not any("Oslo" in str(value) for value in document.metadata.values())


def test_documents_indexed_without_nodes_become_text_nodes(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add(["Oslo is a city."])
    found = NERTypeRetriever.from_defaults(index=index).retrieve("city")[0]
    assert found.text == "Oslo is a city."


async def test_sync_and_async_agree(retriever):
    assert await retriever.aretrieve("river") == retriever.retrieve("river")


def test_matches_survive_json_and_pickle(retriever):
    found = retriever.retrieve("dinosaur")[0]
    assert json.loads(found.model_dump_json())["matches"] == found.matches
    assert pickle.loads(pickle.dumps(found)) == found


def test_topic_must_be_a_string(retriever):
    with pytest.raises(TypeError, match="about must be a string, not int"):
        NERTypeRetriever(retriever.index, about=3).retrieve("river")


def test_offset_and_max_matches(retriever):
    five = NERTypeRetriever(retriever.index, similarity_top_k=5).retrieve("river")
    page = TypeQuery("river", entity_type="river", offset=2)
    assert retriever.retrieve(page) == five[2:4]
    one = NERTypeRetriever(retriever.index, score_threshold=0.0, max_matches=1).retrieve("river")
    assert all(len(each.matches) == 1 for each in one)


def test_options_are_passed_to_the_index(retriever, monkeypatch):
    given = {"sharpen": False, "max_matches": 2, "exact": True}
    seen = {}
    monkeypatch.setattr(type(retriever.index), "search", lambda *_, **more: seen.update(more) or [])
    NERTypeRetriever(retriever.index, **given).retrieve("river")
    assert given.items() <= seen.items()


def test_retriever_over_a_folder_is_pickled_by_its_path(make_nodes, shipped_encoder, tmp_path):
    made = NERTypeRetriever.from_defaults(
        nodes=make_nodes(), path=tmp_path / "index", encoder=shipped_encoder
    )
    again = pickle.loads(pickle.dumps(made))
    assert again.index is not made.index and again.retrieve("river") == made.retrieve("river")


async def test_async_does_not_block_the_loop(retriever, monkeypatch):
    monkeypatch.setattr(type(retriever.index), "search", lambda *_a, **_k: time.sleep(0.5) or [])
    ticks = 0
    search = asyncio.ensure_future(retriever.aretrieve("river"))
    while not search.done():
        await asyncio.sleep(0.02)
        ticks += 1
    assert ticks > 5


def test_custom_embedding_strings_are_used_as_types(retriever):
    one = retriever.retrieve(QueryBundle("what erupts?", custom_embedding_strs=["volcano"]))
    assert one[0].node_id == "volcano"
    two = retriever.retrieve(QueryBundle("?", custom_embedding_strs=["river", "dinosaur"]))
    assert {each.node_id for each in two} == {"river", "dinosaur"}
    assert {each.matches[0]["type"] for each in two} == {"river", "dinosaur"}


def test_top_k_threshold_and_topic(nodes, shipped_encoder, retriever):
    make = lambda **given: NERTypeRetriever.from_defaults(index=retriever.index, **given)  # noqa: E731
    assert len(make().retrieve("river")) == 2
    assert len(make(similarity_top_k=4).retrieve("river")) == 4
    assert [n.node_id for n in make(score_threshold=0.1).retrieve("river")] == ["river"]
    everything = make(similarity_top_k=None, score_threshold=0.0).retrieve("river")
    assert len(everything) == len(nodes)
    by_topic = make(about="heavy metal records", topic_weight=1.0).retrieve("river")
    assert by_topic[0].node_id == "band"


def single_filter(key, value, operator=FilterOperator.EQ):
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (single_filter("kind", "band"), {"band"}),
        (
            single_filter("kind", "band", FilterOperator.NE),
            {"dinosaur", "river", "language", "volcano"},
        ),
        (single_filter("length", 40, FilterOperator.LT), {"river", "volcano"}),
        (single_filter("length", 53, FilterOperator.GTE), {"dinosaur", "language"}),
        (single_filter("kind", ["river", "band"], FilterOperator.IN), {"river", "band"}),
        (
            single_filter("kind", ["river", "band"], FilterOperator.NIN),
            {"dinosaur", "language", "volcano"},
        ),
        (single_filter("tags", "river", FilterOperator.CONTAINS), {"river"}),
        (single_filter("ref_doc_id", "file-river"), {"river"}),
        (
            MetadataFilters(
                filters=[single_filter("kind", "band"), single_filter("length", 36)],
                condition=FilterCondition.OR,
            ),
            {"band", "volcano"},
        ),
        (MetadataFilters(filters=[]), {"dinosaur", "river", "band", "language", "volcano"}),
    ],
)
def test_filters_are_translated(filters, expected, retriever):
    found = NERTypeRetriever(retriever.index, similarity_top_k=9, filters=filters).retrieve("river")
    assert {each.node_id for each in found} == expected


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"filters": single_filter("kind", "b", FilterOperator.TEXT_MATCH)},
            ValueError,
            "text_match",
        ),
        ({"filters": single_filter("kind", ["b"], FilterOperator.ANY)}, ValueError, "'any'"),
        ({"filters": single_filter("kind", None, FilterOperator.IS_EMPTY)}, ValueError, "is_empty"),
        ({"filters": single_filter("kind", None)}, ValueError, "no value"),
        (
            {
                "filters": MetadataFilters(
                    filters=[single_filter("kind", "b")], condition=FilterCondition.NOT
                )
            },
            ValueError,
            "condition 'not'",
        ),
        ({"filters": {"kind": "b"}}, TypeError, "filters must be MetadataFilters"),
        ({"similarity_top_k": 0}, ValueError, "similarity_top_k"),
        ({"similarity_top_k": True}, ValueError, "similarity_top_k"),
    ],
)
def test_invalid_arguments_are_rejected(arguments, error, message, retriever):
    with pytest.raises(error, match=message):
        NERTypeRetriever(retriever.index, **arguments)


def test_invalid_indexes_nodes_and_queries_are_rejected(retriever, tmp_path):
    with pytest.raises(ValueError, match="nodes, index or path"):
        NERTypeRetriever.from_defaults()
    with pytest.raises(ValueError, match="not both"):
        NERTypeRetriever.from_defaults(index=retriever.index, path=tmp_path)
    with pytest.raises(TypeError, match="index must be an EntityIndex, not a str"):
        NERTypeRetriever("folder")
    for given in ("Nile", TextNode(text="Nile")):
        with pytest.raises(TypeError, match="nodes must be a list of nodes, not one "):
            retriever.add_nodes(given)
    with pytest.raises(TypeError, match="not of ner_retriever_rag.schema.Document"):
        retriever.add_nodes([IndexedDocument("Nile")])
    assert retriever.add_nodes([TextNode(id_="empty", text=" ")]) == []
    with pytest.raises(ValueError, match="query is empty"):
        retriever.retrieve(" ")


def test_nodes_are_added_and_deleted(tiny_encoder, make_nodes):
    nodes = make_nodes()
    retriever = NERTypeRetriever.from_defaults(nodes=nodes, encoder=tiny_encoder)
    assert retriever.add_nodes(nodes) == [node.node_id for node in nodes]
    assert retriever.index.count() == 5
    assert retriever.delete_nodes(["river", "unknown"]) == 1
    assert retriever.index.count() == 4


def test_nodes_of_a_source_document_are_deleted_together(tiny_encoder, make_nodes):
    own = make_nodes()[1]
    own.metadata["ref_doc_id"] = "a key of the user's"
    nodes = [make_nodes()[0], own]
    twin = TextNode(id_="twin", text="The White Nile.", relationships=own.relationships)
    retriever = NERTypeRetriever.from_defaults(nodes=[*nodes, twin], encoder=tiny_encoder)
    everything = NERTypeRetriever(retriever.index, similarity_top_k=9).retrieve("river")
    assert own in [each.node for each in everything]  # with its metadata unchanged
    assert retriever.delete_ref_doc("file-river") == 2
    assert [each.node for each in retriever.retrieve("river")] == [nodes[0]]
    assert retriever.delete_ref_doc("unknown") == 0
    with pytest.raises(ValueError, match="ref_doc_id is empty"):
        retriever.delete_ref_doc("")


def test_retriever_in_a_query_engine(retriever):
    engine = RetrieverQueryEngine(
        retriever=retriever, response_synthesizer=get_response_synthesizer(llm=MockLLM())
    )
    response = engine.query("dinosaur")
    assert "Stegosaurus" in str(response)  # MockLLM repeats its prompt
    assert response.source_nodes[0].matches[0]["text"] == "Stegosaurus"


def test_retriever_as_a_tool(retriever):
    tool = RetrieverTool.from_defaults(retriever, name="by_type", description="finds by type")
    assert "Metallica" in tool.call("music band").content


class AllNodes(BaseRetriever):
    """Another retriever: returns all its nodes, in order."""

    def __init__(self, nodes):
        self._nodes = nodes
        super().__init__()

    def _retrieve(self, query_bundle):
        return [NodeWithScore(node=node, score=1 / n) for n, node in enumerate(self._nodes, 1)]


@pytest.mark.parametrize("use_async", [False, True])
def test_fusion_adds_up_reciprocal_ranks(retriever, use_async, make_nodes):
    by_type = NERTypeRetriever(retriever.index, similarity_top_k=5)
    other = make_nodes()[::-1]  # volcano first, dinosaur last
    fusion = QueryFusionRetriever(
        [by_type, AllNodes(other)],
        llm=MockLLM(),
        mode="reciprocal_rerank",
        num_queries=1,
        similarity_top_k=10,
        use_async=use_async,
    )
    found = fusion.retrieve("dinosaur")
    ours = {each.node_id: rank for rank, each in enumerate(by_type.retrieve("dinosaur"))}
    theirs = {node.node_id: rank for rank, node in enumerate(other)}
    assert {each.node_id for each in found} == ours.keys()  # one node from both, by its hash
    for each in found:
        assert each.score == pytest.approx(
            1 / (60 + ours[each.node_id]) + 1 / (60 + theirs[each.node_id])
        )
