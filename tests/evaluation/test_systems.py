"""Comparison of systems on a small task of real sentences, and the report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.cli import app
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM, find_checkpoint
from ner_retriever_rag.evaluation.baselines import CONVENTIONS, load_baseline
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.evaluation.report import markdown, measure, write
from ner_retriever_rag.evaluation.systems import Bm25, ByEmbedding, ByType, best_of_each
from ner_retriever_rag.evaluation.tasks import Task, make_task

ROWS = [
    ("The Nile flows through Egypt.", [("Nile", "river"), ("Egypt", "country")]),
    ("The Danube passes Vienna.", [("Danube", "river"), ("Vienna", "city")]),
    ("Metallica played in Oslo.", [("Metallica", "band"), ("Oslo", "city")]),
    ("A river is a stream of water.", []),
    ("The Rolling Stones toured Norway.", [("Rolling Stones", "band"), ("Norway", "country")]),
    ("It rained all day.", []),
]


@pytest.fixture(scope="module")
def task() -> Task:
    typed = [
        TypedText(
            text,
            tuple((at := text.index(name), at + len(name), kind) for name, kind in mentions),
        )
        for text, mentions in ROWS
    ]
    return make_task("small", typed, {"river": "river", "city": "city", "band": "rock band"})


@pytest.fixture(scope="module")
def encoder() -> TypeAwareEncoder:
    return TypeAwareEncoder.from_pretrained()


def test_best_score_of_each_text() -> None:
    similar = np.array([[0.1, 0.9, 0.3]], dtype=np.float32)
    best = best_of_each(similar, np.array([0, 0, 2]), 3)
    np.testing.assert_allclose(best, [[0.9, -np.inf, 0.3]])


def test_by_type_ranks_on_gold_and_on_detected_mentions(
    task: Task, encoder: TypeAwareEncoder
) -> None:
    by_context = TypeAwareEncoder.from_pretrained(names=False)
    gold = measure(ByType(by_context, detected=False), task)
    assert gold.macro("r_precision") == 1.0
    assert gold.mentions is None
    # There are towns called Egypt: with names it ranks before Vienna for "city".
    assert measure(ByType(encoder, detected=False), task).macro("r_precision") >= 0.8
    detected = measure(ByType(encoder, detected=True), task)
    assert detected.macro("r_precision") >= 0.8
    assert detected.mentions is not None
    assert detected.mentions.exact > 0.7
    assert detected.macro("f1") is not None


@pytest.mark.parametrize("sharpen", [True, False])
def test_by_type_without_sharpening(
    task: Task, encoder: TypeAwareEncoder, sharpen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    search = EntityIndex.search

    def watched(index: EntityIndex, *query: Any, **how: Any) -> Any:
        asked.append(how["sharpen"])
        return search(index, *query, **how)

    monkeypatch.setattr(EntityIndex, "search", watched)
    ranking = ByType(encoder, detected=False, sharpen=sharpen).rank(task)
    assert asked == [sharpen] * 2 * len(task.queries)  # for the order, and for the returned set
    assert ranking.selected is not None
    for row in ranking.scores:  # ranks in the order of an index's results
        assert len(set(row[np.isfinite(row)])) == np.isfinite(row).sum()


def test_bm25_finds_only_literal_words(task: Task) -> None:
    ranking = Bm25().rank(task)
    river = list(task.queries).index("river")
    assert ranking.scores[river].argmax() == 3  # the one text with the word
    assert ranking.scores[list(task.queries).index("city")].max() == -np.inf  # no text is found


def test_sentence_model_ranks_texts_and_mention_strings(task: Task) -> None:
    pytest.importorskip("sentence_transformers")
    whole = measure(ByEmbedding(MINILM), task)
    strings = measure(ByEmbedding(MINILM, of_mentions=True), task)
    assert whole.system == "all-MiniLM-L6-v2, whole text"
    assert strings.macro("r_precision") > 0.5
    ranking = ByEmbedding(MINILM, of_mentions=True).rank(task)
    assert np.isneginf(ranking.scores[:, 5]).all()  # no mention, not found


def test_report(task: Task, encoder: TypeAwareEncoder, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = [measure(Bm25(), task), measure(ByType(encoder, detected=True), task)]
    write(results, tmp_path)
    table = markdown(results)
    assert (tmp_path / "evaluation.md").read_text() == table
    assert "| small | BM25 |" in table
    assert "| rock band | 2 |" in table
    rows = json.loads((tmp_path / "evaluation.json").read_text())
    assert rows[0]["types"]["river"]["relevant"] == 2
    assert (tmp_path / "small.png").stat().st_size > 1000


def test_eval_command(tmp_path: Path) -> None:
    rows = [
        {
            "text": text,
            "mentions": [
                {"start": text.index(n), "end": text.index(n) + len(n), "type": k} for n, k in found
            ],
        }
        for text, found in ROWS
    ]
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = CliRunner().invoke(
        app, ["eval", str(file), "--system", "bm25", "--system", "gold", "--out", str(tmp_path)]
    )
    assert run.exit_code == 0, run.output
    assert "BM25" in run.output
    assert json.loads((tmp_path / "evaluation.json").read_text())[1]["system"].startswith("ours")
    wrong = CliRunner().invoke(app, ["eval", str(file), "--system", "gould"])
    assert wrong.exit_code == 2
    assert "gould" in wrong.output


def _tiny_mistral(folder: Path) -> Path:
    """A random model of the baselines' architecture with the default backbone's tokenizer."""
    from transformers import AutoTokenizer, MistralConfig, MistralModel

    tokenizer = AutoTokenizer.from_pretrained(find_checkpoint(MINILM))
    tokenizer.add_special_tokens({"eos_token": "[SEP]"})
    tokenizer.save_pretrained(folder)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    MistralModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", list(CONVENTIONS))
def test_baselines_are_prompted_as_documented(name: str, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    folder = str(_tiny_mistral(tmp_path / name))
    if CONVENTIONS[name].remote_code:
        with pytest.raises(ValueError, match="trust_remote_code"):
            load_baseline(folder)
    baseline = load_baseline(folder, trust_remote_code=True)
    assert baseline.model.max_seq_length == CONVENTIONS[name].window
    asked: list[str] = []
    encode = baseline.model.encode

    def spy(texts: list[str], **kwargs: Any) -> Any:
        asked.extend(texts)
        return encode(texts, **kwargs)

    baseline.model.encode = spy
    queries, texts = baseline.queries(["river"]), baseline.texts(["The Nile.", "It rained."])
    end = "[SEP]" if CONVENTIONS[name].end_of_text else ""
    assert asked[0].startswith("Instruct: ")
    assert asked[0].endswith("\nQuery: river" + end)
    assert asked[1] == "The Nile." + end
    assert queries.shape == (1, 32)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1.0, atol=1e-5)


def test_e5_pools_the_last_token(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    pytest.importorskip("sentence_transformers")
    folder = str(_tiny_mistral(tmp_path / "e5-mistral-7b-instruct"))
    texts = ["The Nile flows through Egypt.", "Oslo."]
    found = load_baseline(folder).texts(texts)
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for text, vector in zip(texts, found, strict=True):
        with torch.inference_mode():
            last = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1].numpy()
        np.testing.assert_allclose(vector, last / np.linalg.norm(last), atol=1e-4)
