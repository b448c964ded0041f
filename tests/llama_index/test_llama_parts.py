"""The postprocessor, and the tagger in an ingestion pipeline."""

import subprocess
import sys

import pytest
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import ValidationError

from ner_retriever_rag import AnyOf, Document, EntityIndex
from ner_retriever_rag.llama_index import (
    EntityTypePostprocessor,
    EntityTypeTagger,
    NERTypeRetriever,
    TypeQuery,
)


async def test_postprocessor_ranks_by_type(shipped_encoder, make_nodes):
    nodes = [NodeWithScore(node=node, score=0.5) for node in make_nodes()]
    nodes.append(NodeWithScore(node=TextNode(text=""), score=0.9))
    by_river = EntityTypePostprocessor(entity_type="river", top_n=3, threshold=None)
    ranked = by_river.postprocess_nodes(nodes)
    assert len(ranked) == 3 and ranked[0].node is nodes[1].node
    assert ranked[0].matches[0]["text"].endswith("Nile")
    assert [n.score for n in ranked] == sorted((n.score for n in ranked), reverse=True)
    assert nodes[1].score == 0.5 and nodes[1].node == make_nodes()[1]
    assert await by_river.apostprocess_nodes(nodes) == ranked
    sure = EntityTypePostprocessor(entity_type=AnyOf("river", "volcano"), threshold=0.5)
    kept = sure.postprocess_nodes(nodes)
    assert {each.node_id for each in kept} == {"river", "volcano"}
    assert {m["type"] for each in kept for m in each.matches} <= {"river", "volcano"}


def test_postprocessor_uses_the_query_as_the_type(shipped_encoder, make_nodes):
    nodes = [NodeWithScore(node=node, score=0.5) for node in make_nodes()]
    by_query = EntityTypePostprocessor(top_n=1)
    assert by_query.postprocess_nodes(nodes, query_str="volcano")[0].node_id == "volcano"
    asked = TypeQuery("Which rivers?", entity_type="river")
    assert by_query.postprocess_nodes(nodes, asked)[0].node_id == "river"
    assert by_query.postprocess_nodes(nodes, TypeQuery("Why?")) == nodes
    with pytest.raises(ValueError, match="entity_type is None, and there is no query"):
        by_query.postprocess_nodes(nodes)
    with pytest.raises(ValueError, match="query is empty"):
        by_query.postprocess_nodes(nodes, query_str=" ")


def test_postprocessor_reads_stored_vectors_from_an_index(tiny_encoder, make_nodes, monkeypatch):
    held = NERTypeRetriever.from_defaults(nodes=make_nodes()[:3], encoder=tiny_encoder)
    nodes = [NodeWithScore(node=node, score=0.5) for node in make_nodes()]
    anew = EntityTypePostprocessor(entity_type="river", encoder=tiny_encoder)
    expected = {each.node_id: each.score for each in anew.postprocess_nodes(nodes)}
    encoded: list[str] = []
    encode = type(tiny_encoder).encode

    def counted(self, texts, *arguments, **options):
        encoded.extend(texts)
        return encode(self, texts, *arguments, **options)

    monkeypatch.setattr(type(tiny_encoder), "encode", counted)
    by_index = EntityTypePostprocessor(entity_type="river", index=held.index)
    found = {each.node_id: each.score for each in by_index.postprocess_nodes(nodes)}
    assert encoded == [node.text for node in make_nodes()[3:]]
    assert found == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValidationError, match="give index or encoder, not both"):
        EntityTypePostprocessor(entity_type="river", index=held.index, encoder=tiny_encoder)


def test_postprocessor_rejects_invalid_fields():
    for name, value in (("entity_type", " "), ("entity_type", 3), ("top_n", 0), ("threshold", 2)):
        with pytest.raises(ValidationError, match=name):
            EntityTypePostprocessor(**{"entity_type": "river", name: value})


async def test_tagger_writes_names_into_copies_of_the_nodes(make_nodes, shipped_encoder):
    nodes = make_nodes()
    tagger = EntityTypeTagger(entity_types=["river", "dinosaur"], threshold=0.2)
    tagged = {node.node_id: node.metadata for node in tagger(nodes)}
    index = EntityIndex(encoder=shipped_encoder)
    index.add([Document(node.text, node.node_id) for node in nodes])
    expected: dict[tuple[str, str], list[str]] = {}
    rows = index.extract(tagger.entity_types, score_threshold=0.2, all_types=True)
    for row in sorted(rows, key=lambda row: -row.score):
        expected.setdefault((row.doc_id, row.type), []).append(row.text)
    for node in nodes:
        for kind in tagger.entity_types:
            assert tagged[node.node_id].get(kind, []) == expected.get((node.node_id, kind), [])
    assert "Stegosaurus" in tagged["dinosaur"]["dinosaur"] and "Nile" in tagged["river"]["river"]
    assert "river" not in tagged["band"] and tagged["band"]["kind"] == "band"
    assert nodes == make_nodes()
    assert {n.node_id: n.metadata for n in await tagger.acall(nodes)} == tagged


def test_tagger_rejects_invalid_fields(tiny_encoder):
    for given in ({"entity_types": []}, {"entity_types": [" "]}, {"threshold": 2}):
        with pytest.raises(ValidationError, match="type|threshold|AnyOf"):
            EntityTypeTagger(**{"entity_types": ["river"], **given})
    with pytest.raises(ValidationError, match="fingerprint"):
        EntityTypeTagger(entity_types=["river"], encoder=tiny_encoder, encoder_fingerprint="x")


def test_pipeline_caches_the_tagger(monkeypatch, make_nodes):
    tagger = EntityTypeTagger(entity_types=["river"], threshold=0.2)
    pipeline = IngestionPipeline(transformations=[tagger], cache=IngestionCache())
    first = pipeline.run(nodes=make_nodes())
    monkeypatch.setattr(EntityTypeTagger, "__call__", lambda *_a, **_k: pytest.fail("not cached"))
    assert pipeline.run(nodes=make_nodes()) == first
    assert EntityTypeTagger.from_dict(tagger.to_dict()).to_dict() == tagger.to_dict()


def test_cache_key_is_stable_across_processes_and_depends_on_the_encoder(tiny_encoder):
    code = (
        "from llama_index.core.ingestion.pipeline import get_transformation_hash as key\n"
        "from ner_retriever_rag.llama_index import EntityTypeTagger as Tagger\n"
        "print(key([], Tagger(entity_types=['river', 'lake'])))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    keys = [
        get_transformation_hash([], EntityTypeTagger(**given))
        for given in (
            {"entity_types": ["river", "lake"]},
            {"entity_types": ["river", "lake"], "threshold": 0.4},
            {"entity_types": ["lake", "river"]},
            {"entity_types": ["river", "lake"], "encoder": tiny_encoder},
        )
    ]
    assert out.stdout.strip() == keys[0]
    assert len(set(keys)) == 4
