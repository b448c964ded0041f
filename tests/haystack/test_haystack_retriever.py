"""The retriever: on its own, in pipelines loaded from YAML, and called asynchronously."""

import pytest
from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack.core.component import Component
from haystack.document_stores.types import FilterPolicy

from ner_retriever_rag import AnyOf, EntityIndex
from ner_retriever_rag.haystack import EntityDocumentStore, NERTypeRetriever

TEXTS = {
    "dinosaur": "Stegosaurus lived in the late Jurassic and ate plants.",
    "river": "The Nile flows north through Sudan.",
    "volcano": "Mount Etna erupted again last night.",
}
LONG = {"field": "meta.length", "operator": ">", "value": 40}
NOT_RIVER = {"field": "meta.kind", "operator": "!=", "value": "river"}


def documents():
    return [
        Document(content=text, id=kind, meta={"kind": kind, "length": len(text)})
        for kind, text in TEXTS.items()
    ]


@pytest.fixture(scope="module")
def store(shipped_encoder):
    filled = EntityDocumentStore(index=EntityIndex(encoder=shipped_encoder))
    filled.write_documents(documents())
    return filled


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An index folder filled by a pipeline with Haystack's own ``DocumentWriter``."""
    path = tmp_path_factory.mktemp("haystack") / "index"
    writing = Pipeline()
    target = EntityDocumentStore(path)
    writing.add_component("writer", DocumentWriter(target))
    assert writing.run({"writer": {"documents": documents()}}) == {
        "writer": {"documents_written": 3}
    }
    target.close()
    return path


def ids(result):
    return [each.id for each in result["documents"]]


def test_run_returns_documents_with_their_matching_mentions(store):
    retriever = NERTypeRetriever(store, top_k=1)
    assert isinstance(retriever, Component)
    (found,) = retriever.run("dinosaur")["documents"]
    assert (found.id, found.content) == ("dinosaur", TEXTS["dinosaur"])
    match = found.meta["matches"][0]
    assert match["text"] == "Stegosaurus" == found.content[match["start"] : match["end"]]
    assert found.meta["kind"] == "dinosaur" and found.score == match["score"] > 0.3
    assert Document.from_dict(found.to_dict()) == found


def test_run_arguments_override_init_arguments(store):
    retriever = NERTypeRetriever(store, top_k=1, score_threshold=0.99)
    assert retriever.run("river")["documents"] == []
    assert ids(retriever.run("river", score_threshold=0.1)) == ["river"]
    assert ids(retriever.run("river", score_threshold=0.0, top_k=3))[0] == "river"
    assert len(retriever.run("river", score_threshold=0.0, top_k=3)["documents"]) == 3
    assert retriever.run("river", top_k=0) == {"documents": []}


def test_filter_policy_replaces_or_merges_filters(store):
    for policy, found in (
        (FilterPolicy.REPLACE, {"dinosaur", "volcano"}),
        (FilterPolicy.MERGE, {"dinosaur"}),
    ):
        retriever = NERTypeRetriever(store, filters=LONG, filter_policy=policy)
        assert set(ids(retriever.run("river"))) == {"dinosaur"}
        assert set(ids(retriever.run("river", filters=NOT_RIVER))) == found


def test_matches_of_a_combined_query_are_labeled_with_their_type(store):
    found = NERTypeRetriever(store, top_k=2).run(AnyOf("river", "volcano"))["documents"]
    types = {each.id: each.meta["matches"][0]["type"] for each in found}
    assert types == {"river": "river", "volcano": "volcano"}


def test_existing_metadata_is_not_overwritten(shipped_encoder):
    own = EntityDocumentStore(index=EntityIndex(encoder=shipped_encoder))
    own.write_documents([Document(content=TEXTS["river"], meta={"matches": "mine"})])
    with pytest.raises(ValueError, match="another meta_key"):
        NERTypeRetriever(own).run("river")
    (found,) = NERTypeRetriever(own, meta_key="found").run("river")["documents"]
    assert found.meta["matches"] == "mine" and found.meta["found"]


def test_unknown_options_and_invalid_arguments_are_rejected(store):
    retriever = NERTypeRetriever(store, search_options={"max_matches": 1}, top_k=1)
    assert len(retriever.run("river")["documents"][0].meta["matches"]) == 1
    with pytest.raises(TypeError, match="fuzzy.*max_matches"):
        NERTypeRetriever(store, search_options={"fuzzy": True})
    with pytest.raises(TypeError, match="EntityDocumentStore, not a"):
        NERTypeRetriever(store.index)
    with pytest.raises(ValueError, match="top_k"):
        NERTypeRetriever(store, top_k=0)


def test_pipeline_loaded_from_yaml_returns_the_same_results(folder):
    retriever = NERTypeRetriever(
        EntityDocumentStore(folder),
        filters=LONG,
        top_k=2,
        filter_policy=FilterPolicy.MERGE,
        search_options={"max_matches": 1},
    )
    first = Pipeline()
    first.add_component("retriever", retriever)
    asked = {"retriever": {"query": "dinosaur"}}
    found, text = first.run(asked), first.dumps()
    retriever.close()
    again = Pipeline.loads(text, allowed_modules=["ner_retriever_rag.haystack"])
    assert again.dumps() == text
    assert again.run(asked) == found
    assert ids(found["retriever"]) == ["dinosaur"]
    again.get_component("retriever").close()


async def test_run_async_returns_the_same_results(store):
    retriever = NERTypeRetriever(store, top_k=2)
    assert await retriever.run_async("river") == retriever.run("river")
    pipeline = Pipeline()
    pipeline.add_component("retriever", retriever)
    result = await pipeline.run_async({"retriever": {"query": "river", "top_k": 1}})
    assert ids(result["retriever"]) == ["river"]
