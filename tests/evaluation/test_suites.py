"""Suites: which texts and types are measured, encodings kept, rankings as an index gives them."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.evaluation.encodings import encode_task, recalled
from ner_retriever_rag.evaluation.suite_systems import fused
from ner_retriever_rag.evaluation.suites import SUITES, load_suite, scored_types
from ner_retriever_rag.evaluation.systems import Ranking
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.index.held_texts import HeldTexts

TEXTS = ["Oslo lies in Norway.", "Bergen and Oslo.", "Nile", "It rained.", "A Danube ship to Ulm."]
SPANS = [[(0, 4), (13, 19)], [(0, 6)], [(0, 4)], [], [(2, 8), (17, 20)]]


@pytest.fixture
def task() -> Task:
    relevant = {"city": frozenset({0, 1, 4}), "river": frozenset({2, 4})}
    return Task("five", TEXTS, SPANS, {"city": "city", "river": "river"}, relevant)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Domains with all their sets, ten texts each, of which four mention the one type asked for."""
    folder = tmp_path / "domains"
    folder.mkdir()
    sets = [each for group in SUITES["domains"].groups.values() for each in group]
    (folder / "names.json").write_text(json.dumps({each: {"CITY": "city"} for each in sets}))
    for name in sets:
        rows = [
            {
                "text": f"Oslo {name} {number}",
                "mentions": [{"start": 0, "end": 4, "type": "CITY"}] * (number < 4),
            }
            for number in range(10)
        ]
        ending = "-par.jsonl.gz" if name == "litbank" else ".jsonl.gz"
        with gzip.open(folder / f"{name}{ending}", "wt") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_sample_does_not_depend_on_which_sets_are_asked_for(data: Path) -> None:
    all_sets = {each.task.name: each for each in load_suite("domains", data, texts=6)}
    (alone,) = load_suite("domains", data, sets=["litbank"], texts=6)
    assert len(all_sets) == 14
    assert alone.task.texts == all_sets["litbank"].task.texts
    assert len(alone.task.texts) == 6
    assert {each.group for each in all_sets.values()} == set(SUITES["domains"].groups)
    with pytest.raises(ValueError, match="no set letters"):
        load_suite("domains", data, sets=["letters"])
    with pytest.raises(ValueError, match="suite 'domain'"):
        load_suite("domain", data)


def test_types_of_too_few_or_too_many_texts_are_not_scored() -> None:
    relevant = {"few": {0, 1}, "enough": {0, 1, 2}, "most": set(range(8)), "all": set(range(9))}
    task = Task(
        "ten",
        [str(number) for number in range(10)],
        [[]] * 10,
        dict.fromkeys(relevant, "thing"),
        {label: frozenset(texts) for label, texts in relevant.items()},
    )
    assert list(scored_types(task).queries) == ["enough", "most"]


def test_texts_are_encoded_once(
    task: Task, tiny_encoder: TypeAwareEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    as_it_was = Backbone.read

    def counted(backbone: Backbone, texts: list[str]) -> object:
        read.extend(texts)
        return as_it_was(backbone, texts)

    monkeypatch.setattr(Backbone, "read", counted)
    fresh = encode_task(tiny_encoder, task, None)
    assert sorted(read) == sorted(TEXTS)  # detected and gold from one pass
    kept = encode_task(tiny_encoder, task, tmp_path)
    read.clear()
    again = encode_task(tiny_encoder, task, tmp_path)
    assert len(read) <= 5  # a few tell whose encodings they are
    for one, other in zip(fresh.gold + kept.detected, kept.gold + again.detected, strict=True):
        assert [(m.start, m.end) for m in one.mentions] == [
            (m.start, m.end) for m in other.mentions
        ]
    direct = tiny_encoder.encode(TEXTS, spans=SPANS)
    for one, other in zip(again.gold, direct, strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)


def test_other_mentions_are_not_taken_for_those_kept(
    task: Task, tiny_encoder: TypeAwareEncoder, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    class Nothing:
        def detect(self, texts: list[str]) -> list[list[object]]:
            return [[] for _ in texts]

    blind = TypeAwareEncoder(tiny_checkpoint, "value@1+hidden@3", detector=Nothing())
    assert any(one.mentions for one in encode_task(tiny_encoder, task, tmp_path).detected)
    assert not any(one.mentions for one in encode_task(blind, task, tmp_path).detected)


def test_held_texts_are_ranked_as_by_an_index(task: Task, default: TypeAwareEncoder) -> None:
    encoded = encode_task(default, task).detected
    held = HeldTexts(default, TEXTS, encoded)
    index = EntityIndex(encoder=recalled(default, TEXTS, encoded))
    index.add([Document(text, str(number)) for number, text in enumerate(TEXTS)])
    for query in ("city", "river"):
        found, wanted = held.rank(query), index.search(query, k=5)
        assert found.order.tolist() == [int(each.doc_id) for each in wanted]
        np.testing.assert_allclose(found.scores, [each.score for each in wanted], atol=1e-6)


def test_fusion_counts_places_and_passes_over_what_was_not_found() -> None:
    one = Ranking(np.array([[3.0, 2.0, -np.inf]], dtype=np.float32))
    other = Ranking(np.array([[0.1, 0.3, 0.2]], dtype=np.float32))
    scores = fused([one, other]).scores[0]
    np.testing.assert_allclose(scores, [1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 62], rtol=1e-6)
