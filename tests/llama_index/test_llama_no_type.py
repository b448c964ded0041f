"""A question without a type: reported to instrumentation, answered by another retriever."""

import logging

import pytest
from hashed import HashedEncoder
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms.mock import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever, TransformRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from ner_retriever_rag.llama_index import AnswerType, NERTypeRetriever, NoTypeEvent

UNTYPED_QUESTION = "Why is the sky blue?"


class FallbackRetriever(BaseRetriever):
    """Another retriever: returns its nodes and records its queries."""

    def __init__(self, *nodes):
        self.nodes, self.asked = nodes, []
        super().__init__()

    def _retrieve(self, query_bundle):
        self.asked.append(query_bundle)
        return [NodeWithScore(node=node, score=0.5 / n) for n, node in enumerate(self.nodes, 1)]


class EventRecorder(BaseEventHandler):
    """Records our events."""

    kept: list = []

    @classmethod
    def class_name(cls):
        return "EventRecorder"

    def handle(self, event, **kwargs):
        if isinstance(event, NoTypeEvent):
            self.kept.append(event)


@pytest.fixture
def nodes():
    return [TextNode(text="Oslo is a city."), TextNode(text="The Nile is long.")]


@pytest.fixture
def by_type(nodes):
    return NERTypeRetriever.from_defaults(nodes=nodes, encoder=HashedEncoder())


@pytest.fixture
def events():
    root, handler = get_dispatcher(), EventRecorder(kept=[])
    root.add_event_handler(handler)
    yield handler.kept
    root.event_handlers.remove(handler)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("with_fallback", [False, True])
async def test_no_type_is_reported_and_the_fallback_answers(
    by_type, nodes, events, with_fallback, mode, caplog
):
    by_type.fallback = FallbackRetriever(nodes[0]) if with_fallback else None
    asked = AnswerType().run(UNTYPED_QUESTION)
    with caplog.at_level(logging.INFO):
        found = by_type.retrieve(asked) if mode == "sync" else await by_type.aretrieve(asked)
    assert [each.node_id for each in found] == [nodes[0].node_id] * with_fallback
    if with_fallback:
        assert by_type.fallback.asked[0].query_str == UNTYPED_QUESTION
    assert [(each.question, each.fallback) for each in events] == [
        (UNTYPED_QUESTION, with_fallback)
    ]
    assert UNTYPED_QUESTION in caplog.text and "fallback=" in caplog.text


def test_question_with_a_type_searches_the_index(by_type, nodes, events):
    by_type.fallback = FallbackRetriever()
    assert TransformRetriever(by_type, AnswerType()).retrieve("Which city is it?")
    assert events == []


def test_errors_for_wrong_keywords_suggest_the_right_ones(by_type):
    for wrong, right in (("k", "similarity_top_k"), ("filter", "filters"), ("where", "filters")):
        with pytest.raises(TypeError, match=f"'{wrong}': it is {right}= here"):
            NERTypeRetriever(by_type.index, **{wrong: 1})
    with pytest.raises(TypeError, match="fallback must be a LlamaIndex retriever, not a str"):
        NERTypeRetriever(by_type.index, fallback="bm25")


@pytest.mark.parametrize(
    ("mode", "ours"),
    [("reciprocal_rerank", -1), ("relative_score", 0), ("dist_based_score", 0), ("simple", 0)],
)
def test_fusion_keeps_matches_in_the_documented_order_of_retrievers(by_type, nodes, mode, ours):
    other = FallbackRetriever(*nodes)
    retrievers = [by_type, other] if ours == 0 else [other, by_type]

    def fused(retrievers):
        fusion = QueryFusionRetriever(
            retrievers, llm=MockLLM(), mode=mode, num_queries=1, use_async=False
        )
        return fusion.retrieve("city")

    found = fused(retrievers)
    assert len(found) == 2 and all(each.matches for each in found)
    assert not any(hasattr(each, "matches") for each in fused(retrievers[::-1]))
