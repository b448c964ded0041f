"""Composition with the components of LangChain that take retrievers."""

import pytest
from langchain_classic.retrievers import (
    ContextualCompressionRetriever,
    EnsembleRetriever,
    MultiQueryRetriever,
)
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.language_models import FakeListChatModel
from langchain_core.retrievers import BaseRetriever
from pydantic import ValidationError

from ner_retriever_rag import AnyOf, EntityIndex
from ner_retriever_rag.langchain import (
    EntityDocumentIndex,
    EntityTypeFilter,
    NERTypeRetriever,
    merge_results,
)
from ner_retriever_rag.questions.questions import ParsedQuestion

pytestmark = pytest.mark.filterwarnings("ignore:The class `DocumentIndex`")


class AllDocuments(BaseRetriever):
    """Another retriever: returns all its documents, in order."""

    documents: list[Document]

    def _get_relevant_documents(self, query, *, run_manager):
        return self.documents


async def test_filter_inside_contextual_compression(documents, shipped_encoder):
    blank = Document(" ", metadata={"kind": "blank"})
    compression = ContextualCompressionRetriever(
        base_retriever=AllDocuments(documents=[blank, *documents]),
        base_compressor=EntityTypeFilter(
            entity_type="dinosaur", threshold=0.1, encoder=shipped_encoder
        ),
    )
    found = compression.invoke("what ate plants?")
    assert [each.id for each in found] == ["dinosaur"]
    assert found[0].metadata["kind"] == "dinosaur"
    assert found[0].metadata["matches"][0]["text"] == "Stegosaurus"
    assert found == await compression.ainvoke("what ate plants?")
    assert all("matches" not in each.metadata for each in documents)


def test_filter_keeps_the_order_unless_top_n_is_given(documents, shipped_encoder):
    kinds = AnyOf("volcano", "river", "dinosaur")
    kept = EntityTypeFilter(
        entity_type=kinds, threshold=0.05, encoder=shipped_encoder
    ).compress_documents(documents, "")
    assert [each.id for each in kept] == ["dinosaur", "river", "volcano"]
    assert {m["type"] for each in kept for m in each.metadata["matches"]} <= set(kinds.parts)
    best = EntityTypeFilter(entity_type="volcano", top_n=2, threshold=None, encoder=shipped_encoder)
    ranked = best.compress_documents(documents, "")
    assert len(ranked) == 2 and ranked[0].id == "volcano"
    assert ranked[0].metadata["score"] >= ranked[1].metadata["score"]


async def test_filter_uses_the_query_as_the_type(documents, shipped_encoder):
    by_query = EntityTypeFilter(top_n=1, threshold=None, encoder=shipped_encoder)
    compression = ContextualCompressionRetriever(
        base_retriever=AllDocuments(documents=documents), base_compressor=by_query
    )
    assert [each.id for each in compression.invoke("volcano")] == ["volcano"]
    assert [each.id for each in await compression.ainvoke("river")] == ["river"]
    asked = ParsedQuestion("Which bands recorded albums?", "band", "recorded albums")
    assert by_query.compress_documents(documents, asked)[0].id == "band"
    nothing = ParsedQuestion("Why?", None, None)
    assert by_query.compress_documents(documents, nothing) == documents
    with pytest.raises(ValueError, match="query is empty"):
        by_query.compress_documents(documents, " ")


def test_filter_reads_stored_vectors_from_an_index(documents, tiny_encoder, monkeypatch):
    nameless = Document("nothing has a name here", id="nameless")
    held = [*documents[:3], nameless]
    retriever = NERTypeRetriever.from_documents(held, encoder=tiny_encoder)
    changed = documents[2].model_copy(update={"page_content": "Queen formed in London."})
    mixed = [documents[4], documents[0], changed, nameless, documents[1]]
    kinds = AnyOf("volcano", "river")
    fields = {"entity_type": kinds, "threshold": None}
    anew = EntityTypeFilter(encoder=tiny_encoder, **fields).compress_documents(mixed, "")
    encoded: list[str] = []
    encode = type(tiny_encoder).encode

    def counted(self, texts, *arguments, **options):
        encoded.extend(texts)
        return encode(self, texts, *arguments, **options)

    monkeypatch.setattr(type(tiny_encoder), "encode", counted)
    by_index = EntityTypeFilter(index=retriever.index, **fields)
    read = by_index.compress_documents(mixed, "")
    assert [text for text in encoded if " " in text] == [
        documents[4].page_content,
        changed.page_content,
    ]
    for one, other in zip(read, anew, strict=True):
        assert (one.id, one.page_content) == (other.id, other.page_content)
        assert one.metadata["score"] == pytest.approx(other.metadata["score"], abs=1e-5)
        assert [each["text"] for each in one.metadata["matches"]] == [
            each["text"] for each in other.metadata["matches"]
        ]
    with pytest.raises(ValidationError, match="give index or encoder, not both"):
        EntityTypeFilter(index=retriever.index, encoder=tiny_encoder, **fields)


def test_filter_never_overwrites_metadata(documents, retriever, shipped_encoder):
    own = Document("The Nile is long.", id="nile", metadata={"score": "high"})
    by_river = EntityTypeFilter(entity_type="river", threshold=None, encoder=shipped_encoder)
    with pytest.raises(ValueError, match="'nile' has metadata of its own under 'score'"):
        by_river.compress_documents([own], "")
    both = by_river.model_copy(update={"metadata_prefix": "river_"})
    (found,) = both.compress_documents([own], "")
    assert found.metadata["score"] == "high" and found.metadata["river_doc_id"] == "nile"
    # What an earlier search of ours added is not the user's own metadata.
    again = by_river.compress_documents(retriever.invoke("country", k=5), "")
    by_id = {each.id: each.metadata["score"] for each in again}
    assert by_id["river"] == max(by_id.values())


def test_results_of_several_queries_are_merged(retriever):
    model = FakeListChatModel(responses=["river\nvolcano\nwaterway"])
    several = MultiQueryRetriever.from_llm(retriever, model)
    twice = [each.id for each in several.invoke("water")]
    assert len(twice) > len(set(twice))  # LangChain compares the matches too
    found = (several | merge_results).invoke("water")
    assert sorted(each.id for each in found) == sorted(set(twice))
    searches = [retriever.invoke(each) for each in ("river", "volcano", "waterway")]
    for document in found:
        same = [each for search in searches for each in search if each.id == document.id]
        scores = [each.metadata["score"] for each in same]
        assert document.metadata["score"] == max(scores)
        rows = [row for each in same for row in each.metadata["matches"]]
        matches = document.metadata["matches"]
        assert all(row in matches for row in rows) and all(row in rows for row in matches)
        assert [row["score"] for row in matches] == sorted(
            (row["score"] for row in matches), reverse=True
        )
        assert document.metadata["kind"] == document.id
    best = [each.metadata["score"] for each in found]
    assert best == sorted(best, reverse=True)
    with pytest.raises(ValueError, match="'x' has no 'matches'"):
        merge_results([Document("x", id="x")])


def test_filter_rejects_invalid_fields():
    for fields in ({"entity_type": " "}, {"entity_type": 3}):
        with pytest.raises(ValidationError, match="entity_type"):
            EntityTypeFilter(**fields)
    for name, value in (("top_n", 0), ("threshold", 2), ("colour", "red")):
        with pytest.raises(ValidationError, match=name):
            EntityTypeFilter(entity_type="river", **{name: value})


def test_ensemble_fuses_reciprocal_ranks(documents, retriever):
    other = AllDocuments(documents=documents[::-1])  # volcano first, dinosaur last
    by_type = retriever.model_copy(update={"k": 5})
    ensemble = EnsembleRetriever(retrievers=[by_type, other], weights=[0.5, 0.5], id_key=None)
    found = ensemble.invoke("dinosaur")
    # The same text from both is one document: ranks 1 and 5 beat 2 and 4 or 3 and 3.
    assert len(found) == len(documents)
    ranks = {each.id: n for n, each in enumerate(by_type.invoke("dinosaur"), 1)}
    others = {each.id: n for n, each in enumerate(documents[::-1], 1)}
    fused = {each: 0.5 / (60 + ranks[each]) + 0.5 / (60 + others[each]) for each in ranks}
    assert sorted((fused[each.id] for each in found), reverse=True) == [
        fused[each.id] for each in found
    ]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_incremental_indexing(mode, tiny_encoder):
    from langchain_core.indexing import aindex

    destination = EntityDocumentIndex(index=EntityIndex(encoder=tiny_encoder))
    records = InMemoryRecordManager(namespace="test")
    records.create_schema()

    def pages(*texts: str) -> list[Document]:
        return [Document(text, metadata={"source": text[0]}) for text in texts]

    async def run(*texts: str) -> dict[str, int]:
        arguments = {"cleanup": "incremental", "source_id_key": "source", "key_encoder": "sha256"}
        if mode == "sync":
            return index(pages(*texts), records, destination, **arguments)
        return await aindex(pages(*texts), records, destination, **arguments)

    first = await run("a: Oslo is a city.", "b: The Nile is long.")
    assert (first["num_added"], first["num_deleted"]) == (2, 0)
    again = await run("a: Oslo is a city.", "b: The Nile is long.")
    assert (again["num_skipped"], again["num_added"]) == (2, 0)
    changed = await run("a: Oslo is the capital.")
    assert (changed["num_added"], changed["num_deleted"]) == (1, 1)
    assert destination.index.count() == 2
    texts = {each.page_content for each in destination.invoke("city", k=5)}
    assert texts == {"a: Oslo is the capital.", "b: The Nile is long."}
