"""A question without an entity type: reported in the trace, answered by another retriever."""

import logging

import pytest
from hashed import HashedEncoder
from langchain_classic.retrievers import EnsembleRetriever
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ValidationError

from ner_retriever_rag.langchain import AnswerType, NERTypeRetriever

UNTYPED_QUESTION = "Why is the sky blue?"


class FallbackRetriever(BaseRetriever):
    """Another retriever: returns one document, whose id is the question."""

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document("Light scatters.", id=query)]


class EventRecorder(BaseCallbackHandler):
    """Records the events of the trace, with their runs."""

    def __init__(self):
        self.retrievers, self.events = [], []

    def on_retriever_start(self, serialized, query, *, run_id, parent_run_id=None, **kwargs):
        self.retrievers.append((run_id, parent_run_id))

    def on_custom_event(self, name, data, *, run_id, **kwargs):
        self.events.append((name, data, run_id))


class AsyncEventRecorder(AsyncCallbackHandler):
    """The same, asynchronously."""

    def __init__(self):
        self.retrievers, self.events = [], []

    async def on_retriever_start(self, serialized, query, *, run_id, parent_run_id=None, **kwargs):
        self.retrievers.append((run_id, parent_run_id))

    async def on_custom_event(self, name, data, *, run_id, **kwargs):
        self.events.append((name, data, run_id))


@pytest.fixture
def by_type():
    return NERTypeRetriever.from_texts(["Oslo is a city."], encoder=HashedEncoder())


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("with_fallback", [False, True])
async def test_no_type_is_reported_and_the_fallback_answers(by_type, with_fallback, mode, caplog):
    heard = EventRecorder() if mode == "sync" else AsyncEventRecorder()
    by_type.fallback = FallbackRetriever() if with_fallback else None
    chain = AnswerType() | by_type
    config = {"callbacks": [heard]}
    with caplog.at_level(logging.INFO):
        found = (
            chain.invoke(UNTYPED_QUESTION, config)
            if mode == "sync"
            else await chain.ainvoke(UNTYPED_QUESTION, config)
        )
    assert [each.id for each in found] == ([UNTYPED_QUESTION] if with_fallback else [])
    (run, _), *inside = heard.retrievers
    assert heard.events == [
        ("ner_retriever_no_type", {"question": UNTYPED_QUESTION, "fallback": with_fallback}, run)
    ]
    assert [parent for _, parent in inside] == [run] * with_fallback  # traced inside our own run
    assert UNTYPED_QUESTION in caplog.text and "fallback=" in caplog.text


async def test_question_with_a_type_searches_the_index(by_type):
    by_type.fallback = FallbackRetriever()
    assert (AnswerType() | by_type).invoke("Which city is it?")[0].id != "Which city is it?"


def test_errors_for_wrong_fields_and_options_suggest_the_right_ones(by_type):
    for wrong, right in (("top_k", "k"), ("filter", "where"), ("n_results", "k")):
        with pytest.raises(ValidationError, match=f"'{wrong}': it is {right}= here"):
            NERTypeRetriever(index=by_type.index, **{wrong: 1})
        with pytest.raises(TypeError, match=f"'{wrong}': it is {right}= here"):
            by_type.invoke("city", **{wrong: 1})
    with pytest.raises(
        ValidationError, match="'search_kwargs': pass its contents as separate keywords"
    ):
        NERTypeRetriever(index=by_type.index, search_kwargs={"k": 4})
    with pytest.raises(ValidationError, match="fallback"):
        NERTypeRetriever(index=by_type.index, fallback="bm25")


class AllDocuments(BaseRetriever):
    """A retriever that returns all its documents."""

    documents: list[Document]

    def _get_relevant_documents(self, query, *, run_manager):
        return self.documents


def test_ensemble_keeps_matches_of_the_first_retriever(by_type):
    other = AllDocuments(documents=[Document("Oslo is a city.")])
    first = EnsembleRetriever(retrievers=[by_type, other])
    assert first.invoke("city")[0].metadata["matches"]
    last = EnsembleRetriever(retrievers=[other, by_type])  # as the documentation says
    assert "matches" not in last.invoke("city")[0].metadata
