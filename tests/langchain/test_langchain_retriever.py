"""``NERTypeRetriever`` as a LangChain retriever."""

import asyncio
import json
import pickle
import threading
import time

import pytest
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import create_retriever_tool
from langchain_core.tracers.schemas import Run
from langchain_core.tracers.stdout import FunctionCallbackHandler
from pydantic import ValidationError

from ner_retriever_rag import AllOf, NERTypeRetriever, Not


def test_results_keep_the_document_and_add_the_matches(retriever, documents):
    first = retriever.invoke("dinosaur")[0]
    given = next(each for each in documents if each.id == "dinosaur")
    assert (first.page_content, first.id) == (given.page_content, given.id)
    assert first.metadata.keys() == given.metadata.keys() | {"doc_id", "score", "matches"}
    assert given.metadata.items() <= first.metadata.items()
    assert first.metadata["doc_id"] == "dinosaur"
    match = first.metadata["matches"][0]
    assert match.keys() == {"text", "start", "end", "score"}
    assert match["text"] == "Stegosaurus" == first.page_content[match["start"] : match["end"]]
    assert first.metadata["score"] == match["score"]


def test_given_documents_are_not_modified(documents, retriever):
    assert all(each.metadata.keys() == {"kind", "length"} for each in documents)


def test_results_are_json_serializable(retriever):
    for query in ("river", AllOf("river", Not("band"))):
        for document in retriever.invoke(query, k=5):
            again = json.loads(json.dumps(document.model_dump()))
            assert again["metadata"] == document.metadata
            assert type(document.metadata["score"]) is float


def test_matches_of_several_types_are_labeled(retriever):
    first = retriever.invoke(AllOf("river", "country"))[0]
    assert first.id == "river"
    assert {(m["type"], m["text"]) for m in first.metadata["matches"]} >= {("river", "Nile")}


async def test_sync_and_async_agree_and_take_the_same_arguments(retriever):
    for arguments in (
        {},
        {"k": 1},
        {"k": None, "score_threshold": 0.2},
        {"where": {"kind": {"$ne": "river"}}},
        {"about": "Sudan", "topic_weight": 0.7, "exact": True},
        {"offset": 1, "max_matches": 1, "sharpen": False},
    ):
        assert retriever.invoke("river", **arguments) == await retriever.ainvoke(
            "river", **arguments
        )
    with pytest.raises(TypeError, match="colour"):
        retriever.invoke("river", colour="red")
    with pytest.raises(TypeError, match="colour"):
        await retriever.ainvoke("river", colour="red")


def test_fields_are_the_defaults_of_calls(documents, shipped_encoder):
    retriever = NERTypeRetriever.from_documents(
        documents, encoder=shipped_encoder, k=1, topic_weight=0.9, where={"length": {"$gt": 10}}
    )
    assert len(retriever.invoke("river")) == 1  # topic_weight has no effect without a topic
    assert len(retriever.invoke("river", k=3)) == 3
    by_call = retriever.invoke("river", about="heavy metal", k=5)
    by_field = retriever.model_copy(update={"about": "heavy metal", "k": 5}).invoke("river")
    assert by_call == by_field


def test_offset_and_max_matches(retriever):
    five = retriever.invoke("river", k=5)
    assert retriever.invoke("river", offset=2) == five[2:4]
    assert retriever.model_copy(update={"offset": 4}).invoke("river") == five[4:]
    every = retriever.invoke("river", k=1, score_threshold=0.0)[0].metadata["matches"]
    few = retriever.invoke("river", k=1, score_threshold=0.0, max_matches=1)[0]
    assert len(every) > 1 and few.metadata["matches"] == every[:1]


def test_options_are_passed_to_the_index(retriever, monkeypatch):
    given = {"sharpen": False, "offset": 3, "max_matches": 2, "exact": True, "k": None}
    seen = {}
    monkeypatch.setattr(type(retriever.index), "search", lambda *_, **more: seen.update(more) or [])
    retriever.invoke("river", **given)
    assert given.items() <= seen.items()
    retriever.model_copy(update=given).invoke("lake")
    assert given.items() <= seen.items() and seen["about"] is None


def test_retriever_over_a_folder_is_pickled_by_its_path(
    documents, shipped_encoder, tiny_encoder, tmp_path
):
    folder = tmp_path / "index"
    made = NERTypeRetriever.from_documents(documents, path=folder, encoder=shipped_encoder, k=3)
    again = pickle.loads(pickle.dumps(made))
    assert again.k == 3 and again.index is not made.index
    assert again.invoke("river") == made.invoke("river")
    with pytest.raises(TypeError, match="pickled by its path, and this one has none"):
        pickle.dumps(NERTypeRetriever.from_texts(["Nile"], encoder=tiny_encoder))
    tiny = NERTypeRetriever.from_texts(["Nile"], path=tmp_path / "tiny", encoder=tiny_encoder)
    with pytest.raises(TypeError, match="pickled with the shipped encoder"):
        pickle.dumps(tiny)


def test_invalid_fields_are_rejected(retriever):
    for field, value in (
        ("k", 0),
        ("score_threshold", 2),
        ("topic_weight", -1),
        ("offset", -1),
        ("max_matches", 0),
        ("colour", 1),
    ):
        with pytest.raises(ValidationError, match=field):
            NERTypeRetriever(index=retriever.index, **{field: value})
    with pytest.raises(ValueError, match="query is empty"):
        retriever.invoke(" ")


def test_batch_from_threads_equals_invoke(retriever):
    types = ["river", "dinosaur", "band", "volcano", "programming language"] * 4
    assert retriever.batch(types, {"max_concurrency": 8}) == [retriever.invoke(t) for t in types]


async def test_async_does_not_block_the_loop(retriever, monkeypatch):
    monkeypatch.setattr(type(retriever.index), "search", lambda *_a, **_k: time.sleep(0.5) or [])
    ticks = 0
    search = asyncio.ensure_future(retriever.ainvoke("river"))
    while not search.done():
        await asyncio.sleep(0.02)
        ticks += 1
    assert ticks > 5


def test_configurable_fields(retriever):
    chain = retriever.configurable_fields(
        k=ConfigurableField(id="k"), where=ConfigurableField(id="filter")
    )
    assert len(chain.invoke("river")) == 2
    assert len(chain.invoke("river", {"configurable": {"k": 4}})) == 4
    found = chain.with_config(configurable={"filter": {"kind": "band"}}).invoke("river")
    assert [each.id for each in found] == ["band"]


def test_tracing_gets_the_langsmith_parameters(retriever, shipped_encoder):
    seen: list[Run] = []
    lines: list[str] = []

    class RunRecorder(FunctionCallbackHandler):
        def _persist_run(self, run: Run) -> None:
            seen.append(run)

    retriever.invoke("river", {"callbacks": [RunRecorder(lines.append)]})
    metadata = seen[0].extra["metadata"]
    assert metadata["ls_retriever_name"] == "nertype"
    assert metadata["ls_vector_store_provider"] == "Chroma"
    assert metadata["ls_embedding_provider"] == "ner_retriever_rag"
    assert metadata["ls_embedding_model"] == shipped_encoder.description
    assert seen[0].outputs["documents"][0].id == "river"


def test_retriever_as_a_tool(retriever):
    tool = create_retriever_tool(
        retriever, "by_type", "Texts that mention a kind of entity.", response_format="content"
    )
    assert "Stegosaurus" in tool.invoke({"query": "dinosaur"})


def test_threads_share_one_retriever(retriever):
    expected = retriever.invoke("volcano")
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(retriever.invoke("volcano"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6
