"""Suites: the texts and types measured, cached encodings, and rankings equal to an index's."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.cli import app
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.evaluation.encodings import cached_encoder, encode_task
from ner_retriever_rag.evaluation.suite_measure import Reliability, read_absent, reliability
from ner_retriever_rag.evaluation.suite_small_corpora import subtask
from ner_retriever_rag.evaluation.suite_systems import fuse_rankings
from ner_retriever_rag.evaluation.suites import SUITES, load_suite, scored_types
from ner_retriever_rag.evaluation.systems import Ranking
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts

TEXTS = ["Oslo lies in Norway.", "Bergen and Oslo.", "Nile", "It rained.", "A Danube ship to Ulm."]
SPANS = [[(0, 4), (13, 19)], [(0, 6)], [(0, 4)], [], [(2, 8), (17, 20)]]


@pytest.fixture
def task() -> Task:
    relevant = {"city": frozenset({0, 1, 4}), "river": frozenset({2, 4})}
    return Task("five", TEXTS, SPANS, {"city": "city", "river": "river"}, relevant)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The suite "domains" with all sets: ten texts each, four of which mention the queried type."""
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


def test_sample_does_not_depend_on_the_selected_sets(data: Path) -> None:
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


def test_types_in_too_few_or_too_many_texts_are_not_scored() -> None:
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
    unpatched = Backbone.read

    def counted(backbone: Backbone, texts: list[str]) -> object:
        read.extend(texts)
        return unpatched(backbone, texts)

    monkeypatch.setattr(Backbone, "read", counted)
    fresh = encode_task(tiny_encoder, task, None)
    assert sorted(read) == sorted(TEXTS)  # detected and gold mentions in one pass
    kept = encode_task(tiny_encoder, task, tmp_path)
    read.clear()
    again = encode_task(tiny_encoder, task, tmp_path)
    assert len(read) <= 5  # a few identify the encoder of cached encodings
    for one, other in zip(fresh.gold + kept.detected, kept.gold + again.detected, strict=True):
        assert [(m.start, m.end) for m in one.mentions] == [
            (m.start, m.end) for m in other.mentions
        ]
    direct = tiny_encoder.encode(TEXTS, spans=SPANS)
    for one, other in zip(again.gold, direct, strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)


def test_cached_encodings_are_not_used_for_another_detector(
    task: Task, tiny_encoder: TypeAwareEncoder, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    class NoMentions:
        def detect(self, texts: list[str]) -> list[list[object]]:
            return [[] for _ in texts]

    blind = TypeAwareEncoder(tiny_checkpoint, "value@1+hidden@3", detector=NoMentions())
    assert any(one.mentions for one in encode_task(tiny_encoder, task, tmp_path).detected)
    assert not any(one.mentions for one in encode_task(blind, task, tmp_path).detected)


@pytest.fixture
def held_and_index(
    task: Task, shipped_encoder: TypeAwareEncoder
) -> tuple[InMemoryTexts, EntityIndex]:
    encoded = encode_task(shipped_encoder, task).detected
    index = EntityIndex(encoder=cached_encoder(shipped_encoder, TEXTS, encoded))
    index.add([Document(text, str(number)) for number, text in enumerate(TEXTS)])
    return InMemoryTexts(shipped_encoder, TEXTS, encoded), index


def test_held_texts_are_ranked_as_in_an_index(
    held_and_index: tuple[InMemoryTexts, EntityIndex],
) -> None:
    held, index = held_and_index
    for query in ("city", "river"):
        found, wanted = held.rank(query), index.search(query, k=5)
        assert found.order.tolist() == [int(each.doc_id) for each in wanted]
        np.testing.assert_allclose(found.scores, [each.score for each in wanted], atol=1e-6)


def test_best_mentions_of_held_texts_are_those_of_an_index(
    held_and_index: tuple[InMemoryTexts, EntityIndex],
) -> None:
    held, index = held_and_index
    wanted = index.search_mentions("city", k=3)
    found = held.best_mentions("city", 3)
    assert found == [(int(each.doc_id), (each.start, each.end)) for each in wanted]


def test_fusion_adds_reciprocal_ranks_and_skips_texts_not_found() -> None:
    one = Ranking(np.array([[3.0, 2.0, -np.inf]], dtype=np.float32))
    other = Ranking(np.array([[0.1, 0.3, 0.2]], dtype=np.float32))
    scores = fuse_rankings([one, other]).scores[0]
    np.testing.assert_allclose(scores, [1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 62], rtol=1e-6)


def test_reliability_bins_returned_documents_by_score(task: Task) -> None:
    scores = np.array([[-1, 0, -2, -np.inf, -3], [-np.inf] * 5], dtype=np.float32)
    said = np.array([[0.8, 0.95, 0.6, 0, 0.1], [0] * 5], dtype=np.float32)
    found = reliability(Ranking(scores, said >= 0.5, None, said), task)
    assert found is not None
    assert found.documents == (1, 0, 1, 1, 1)
    assert found.right == (1, 0, 0, 1, 1)  # texts 0, 1 and 4 mention a city
    np.testing.assert_allclose(found.error(), (0.9 + 0.6 + 0.2 + 0.05) / 4, rtol=1e-5)
    twice = Reliability.summed([found, found])
    assert twice.documents == (2, 0, 2, 2, 2)
    np.testing.assert_allclose(twice.error(), found.error())
    assert reliability(Ranking(scores), task) is None


def test_absent_types_cover_every_set_of_the_suite() -> None:
    absent = read_absent()
    sets = {each for group in SUITES["domains"].groups.values() for each in group}
    assert absent.keys() == sets
    assert all(len(set(each["unrelated"])) == 20 for each in absent.values())
    assert sum(len(set(each["related"])) for each in absent.values()) >= 100


def test_small_corpus_is_scored_on_its_own_texts(task: Task) -> None:
    part = subtask(task, [4, 0, 3, 1])
    assert part.texts == [TEXTS[4], TEXTS[0], TEXTS[3], TEXTS[1]]
    assert part.relevant == {"city": frozenset({0, 1, 3})}


def test_eval_command_writes_tables_plot_and_json(data: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(
        app,
        ["eval", "--suite", "domains", "--data", str(data), "--sets", "court,wlp", "--draws", "1"]
        + ["--system", "detected", "--system", "detected:no-rerank"]
        + ["--system", "bm25", "--system", "detected+bm25"]
        + ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")],
    )
    assert run.exit_code == 0, run.output
    page = (tmp_path / "out" / "domains.md").read_text()
    for each in ("ours, detected + BM25", "unrelated", "related", "calibration error", "court"):
        assert each in page
    assert "ours, detected, not reranked" in page
    values = json.loads((tmp_path / "out" / "domains.json").read_text())
    assert len(values["results"]) == 8
    assert values["draws"][0]["corpora"] == 1
    assert (tmp_path / "out" / "domains.png").stat().st_size > 1_000
    for wrong in (["--suite", "domains"], [], ["file.jsonl", "--suite", "domains"]):
        assert CliRunner().invoke(app, ["eval", *wrong]).exit_code == 2
