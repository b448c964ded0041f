"""The probe on hand-made vectors, and on a random model with types planted at one tap."""

import csv
import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from typer.testing import CliRunner

pytest.importorskip("sklearn", reason="needs the extra [eval]")

from ner_retriever_rag.cli import app
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.evaluation.formats import TypedText, read_lines
from ner_retriever_rag.evaluation.probe import (
    all_taps,
    pair_auc,
    probe,
    read_sample,
    separability,
)
from ner_retriever_rag.evaluation.probe_sample import Sample, draw_pairs, draw_sample

TYPES = {"place-river": "river", "person-poet": "poet"}
PLANTED = "value@1"


def texts():
    """Forty texts, each with a river or a poet as its last word."""
    rows = []
    for label, word in TYPES.items():
        for number in range(20):
            before = f"filler{number % 5} filler{(number + 2) % 5} "
            text = f"{before}{word}{number}"
            mentions = ((0, 7, "other"), (len(before), len(text), label))
            rows.append(TypedText(text, mentions))
    return rows


@pytest.fixture(scope="module")
def planted_model(tmp_path_factory):
    """A random BERT in which only the value projection of block 1 sees types.

    Every embedding is noise except for two dimensions that encode river or poet. Only that
    projection reads them, and the attention output computed from it is discarded.
    """
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"filler{n}" for n in range(5))]
    words += [f"{word}{n}" for word in TYPES.values() for n in range(20)]
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path_factory.mktemp("planted")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    ).save_pretrained(folder)
    torch.manual_seed(1)
    model = BertModel(
        BertConfig(
            vocab_size=len(words), hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
            intermediate_size=64, max_position_embeddings=16, initializer_range=0.3,
        )
    )  # fmt: skip
    with torch.no_grad():
        embeddings = model.embeddings.word_embeddings.weight
        embeddings.normal_()
        for number, word in enumerate(words):
            sign = {"r": 0.4, "p": -0.4}.get(word[0], 0.0)
            embeddings[number, 0], embeddings[number, 1] = sign, -sign
        for name, weight in model.named_parameters():
            if "weight" in name and weight.shape[-1] == 64 and "layer" in name and weight.ndim == 2:
                weight[:, :2] = 0
        model.embeddings.position_embeddings.weight.zero_()
        attention = model.encoder.layer[1].attention
        attention.self.value.weight.zero_()
        attention.self.value.weight[:, 0], attention.self.value.weight[:, 1] = 1.0, -1.0
        attention.output.dense.weight.zero_()
        for layer in model.encoder.layer[:2]:  # no block so far writes to the two dimensions
            layer.attention.output.dense.weight[:2] = 0
            layer.output.dense.weight[:2] = 0
    model.save_pretrained(folder)
    return folder


def test_pair_auc_of_a_hand_made_case():
    angles = np.deg2rad([0, 60, 90, 150])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[3], [1], [0.5], [2]]
    left, right = np.array([0, 2, 0, 0, 1, 1]), np.array([1, 3, 2, 3, 2, 3])
    same = np.array([True, True, False, False, False, False])
    # Cosines 0.5 and 0.5 against 0, -0.87, 0.87, 0: three of four are below.
    assert pair_auc(vectors.astype(np.float16), (left, right, same)) == pytest.approx(0.75)
    nothing = np.zeros((4, 2), dtype=np.float16)
    assert pair_auc(nothing, (left, right, same)) == 0.5


def test_separability_of_clusters_and_of_noise():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    noise = rng.normal(size=(120, 16))
    assert separability(noise.astype(np.float16), labels) == pytest.approx(0.25, abs=0.12)
    apart = noise + 8 * np.eye(4, 16)[labels]
    assert separability(apart.astype(np.float16), labels) > 0.99


def test_sample_has_no_duplicate_name_and_no_catch_all_type():
    rows = [*texts(), *texts(), TypedText("river3 again", ((0, 6, "person-poet"),))]
    sample = draw_sample(rows, per_type=15)
    assert sample.types == ("person-poet", "place-river")
    assert np.bincount(sample.labels).tolist() == [15, 15]
    assert (np.diff(sample.labels) >= 0).all()
    names = [sample.texts[text][start:end] for text, start, end in sample.where]
    assert len(set(names)) == 30
    words = [TYPES[sample.types[label]] for label in sample.labels]
    strays = sum(not name.startswith(word) for name, word in zip(names, words, strict=True))
    assert strays <= 1  # river3 may be drawn as the poet
    assert draw_sample(rows, per_type=15).where == sample.where
    assert draw_sample(rows, per_type=15, seed=1).where != sample.where
    with pytest.raises(ValueError, match="two types"):
        draw_sample(rows, types=1)
    with pytest.raises(ValueError, match="10 names"):
        draw_sample(rows[:25])


def test_pairs_are_balanced_and_never_from_one_text():
    sample = draw_sample(texts())
    left, right, same = draw_pairs(sample, 500)
    assert len(left) == len(right) == 1000 and same.sum() == 500
    assert ((sample.labels[left] == sample.labels[right]) == same).all()
    where = np.array([text for text, _, _ in sample.where])
    assert (where[left] != where[right]).all()
    assert 0.4 < sample.labels[left][same].mean() < 0.6
    one_text = Sample(("a b",), ((0, 0, 1), (0, 2, 3)), np.array([0, 1]), ("x", "y"))
    with pytest.raises(ValueError, match="too few texts"):
        draw_pairs(one_text, 5)


def test_planted_tap_ranks_first(planted_model):
    scores = probe(planted_model, draw_sample(texts()), pairs=2_000)
    assert {score.tap for score in scores} == set(all_taps(str(planted_model)))
    assert len(scores) == 3 * 5 + 4
    best, second = scores[:2]
    assert (best.tap, best.kind, best.block, best.width) == (PLANTED, "value", 1, 64)
    assert best.auc == 1.0 and best.separability == 1.0
    assert second.auc < 0.9
    assert next(score for score in scores if score.tap == "attention@1").auc == 0.5


def test_every_text_is_read_once_whatever_the_memory_limit(planted_model, monkeypatch):
    sample = draw_sample(texts())
    backbone = Backbone(planted_model, all_taps(str(planted_model)))
    chunks = []
    read = backbone.read
    monkeypatch.setattr(backbone, "read", lambda some: chunks.append(list(some)) or read(some))
    at_once = read_sample(backbone, sample)
    assert sum(chunks, []) == list(sample.texts) and len(chunks) == 2
    chunks.clear()
    # 19 taps of 64, float32, twice; three tokens per text: five texts at a time.
    little = read_sample(backbone, sample, memory=19 * 64 * 4 * 2 * 3 * 5)
    assert sum(chunks, []) == list(sample.texts)
    assert [len(chunk) for chunk in chunks] == [1, *[5] * 7, 4]
    for tap, vectors in at_once.items():
        assert vectors.dtype == np.float16 and vectors.shape == (40, 64)
        np.testing.assert_allclose(vectors, little[tap], atol=5e-3)


def test_vectors_are_pooled_from_the_last_token_or_the_mean(planted_model):
    sample = Sample(("filler0 river1",), ((0, 0, 14),), np.array([0]), ("x",))
    backbone = Backbone(planted_model, "hidden@2")
    (states,) = backbone.read(sample.texts)
    tokens = states.taps["hidden@2"].numpy()
    for pooling, vector in (("last", tokens[1]), ("mean", tokens.mean(0))):
        (found,) = read_sample(backbone, sample, pooling=pooling)["hidden@2"]
        scaled = vector / np.sqrt((vector**2).mean())
        np.testing.assert_allclose(found, scaled, atol=2e-3)


def write_lines(path):
    rows = []
    for each in texts():
        marked = [{"start": s, "end": e, "type": label} for s, e, label in each.mentions]
        rows.append({"text": each.text, "mentions": marked})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_lines(path) == texts()
    return path


def test_probe_command(planted_model, tmp_path):
    mentions, out = write_lines(tmp_path / "mentions.jsonl"), tmp_path / "new" / "probe"
    arguments = ["probe", mentions, "--backbone", planted_model, "--pairs", "500", "--out", out]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert "40 mentions of 2 types in 40 texts: person-poet, place-river" in result.output
    assert f"{PLANTED} tells types apart best by cosine (AUC 1.000" in result.output
    with (out / "probe.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["tap"] == PLANTED and len(rows) == 19
    assert (out / "probe.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"text": "a"}\n', "lacks 'mentions'"),
        ("", "two types"),
        ("no json\n", "Expecting value"),
    ],
)
def test_invalid_input_is_reported_without_a_traceback(tmp_path, lines, message):
    path = tmp_path / "mentions.jsonl"
    path.write_text(lines)
    result = CliRunner().invoke(app, ["probe", str(path)])
    assert result.exit_code == 2
    assert message in result.output and "Traceback" not in result.output
