"""Encoders saved with their backbone are self-contained."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import TEXTS, CapitalizedWords, byte_level_tokenizer
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder import ProjectionHead, SpanHead
from ner_retriever_rag.encoder.backbone import packed

LAYER = "encoder.layer.1.output.dense"
WEIGHTS = "backbone/packed.safetensors"


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint, tmp_path_factory):
    torch.manual_seed(1)
    deltas = tmp_path_factory.mktemp("deltas") / "deltas.safetensors"
    weights = {f"{LAYER}.lora_A": torch.randn(2, 64) / 4, f"{LAYER}.lora_B": torch.randn(32, 2)}
    save_file(weights, deltas)
    return TypeAwareEncoder(
        tiny_checkpoint,
        "value@1+hidden@2",
        head=ProjectionHead((64, 8)).eval(),
        adaptation=deltas,
        detector=SpanHead(["hidden@1"], 32, hidden=16, threshold=0.3),
    )


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    encoder.save_pretrained(folder, backbone=True)
    return folder


def assert_similar_vectors(one, other):
    """Assert nearly equal vectors for the same spans."""
    spans = [[(0, 4), (5, 9)]] * len(TEXTS)
    for ours, theirs in zip(one.encode(TEXTS, spans), other.encode(TEXTS, spans), strict=True):
        assert ((ours.vectors * theirs.vectors).sum(1) > 0.9999).all()
    types = ["river", "capital"]
    assert ((one.encode_types(types) * other.encode_types(types)).sum(1) > 0.9999).all()


def test_adaptation_is_merged_and_layers_after_the_taps_are_left_out(encoder, folder):
    assert not (folder / "adaptation.safetensors").exists()
    weights = load_file(folder / WEIGHTS)
    assert {value.dtype for value in weights.values()} <= {torch.float16, torch.int64}
    assert not any(name.startswith("encoder.layer.2.") for name in weights)
    again = TypeAwareEncoder.from_pretrained(folder)
    assert again.backbone_name == f"{encoder.backbone_name} adapted"
    assert_similar_vectors(again, encoder)


def test_fingerprint_does_not_depend_on_the_folder(folder, tmp_path):
    (first,) = [TypeAwareEncoder.from_pretrained(folder)]
    first.save_pretrained(tmp_path / "copy")
    again = TypeAwareEncoder.from_pretrained(tmp_path / "copy")
    assert again.fingerprint == first.fingerprint
    assert again.description == first.description
    assert (tmp_path / "copy" / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    again.save_pretrained(tmp_path / "copy")  # over itself
    np.testing.assert_array_equal(
        TypeAwareEncoder.from_pretrained(tmp_path / "copy").encode_types(["river"]),
        first.encode_types(["river"]),
    )


def test_damaged_files_are_named(encoder, tmp_path):
    encoder.save_pretrained(tmp_path, backbone=True)
    weights = load_file(tmp_path / WEIGHTS)
    save_file({name: value * 0 for name, value in weights.items()}, tmp_path / WEIGHTS)
    damaged = TypeAwareEncoder.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="sha256"):
        damaged.encode_types(["river"])
    tokenizer = tmp_path / "backbone" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("[UNK]", "[unk]"))
    with pytest.raises(ValueError, match=r"tokenizer\.json is not the file"):
        TypeAwareEncoder.from_pretrained(tmp_path)


def test_large_embeddings_are_stored_as_int8(tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5000, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=16,
    )  # fmt: skip
    model = BertModel(config)
    model.embeddings.word_embeddings.weight.data *= torch.rand(5000, 1) * 10 + 0.1  # unequal rows
    model.embeddings.word_embeddings.weight.data[0] = 0
    packed.write_packed(model, byte_level_tokenizer(), tmp_path)
    stored = load_file(tmp_path / packed.WEIGHTS)
    name = "embeddings.word_embeddings.weight"
    assert stored[name].dtype == torch.int8
    read = packed.read_packed(tmp_path, lambda _: True)
    assert read.keys() == model.state_dict().keys()
    before = model.state_dict()[name]
    step = before.abs().amax(1, keepdim=True) / 127
    assert ((read[name] - before).abs() <= 0.6 * step).all()
    assert (read[name][0] == 0).all()


def test_decoders_can_be_packed(tmp_path):
    torch.manual_seed(0)
    tokenizer = byte_level_tokenizer()
    GPT2Model(
        GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64)
    ).save_pretrained(tmp_path / "gpt")
    tokenizer.save_pretrained(tmp_path / "gpt")
    encoder = TypeAwareEncoder(
        tmp_path / "gpt", "value@1", pooling="last", detector=CapitalizedWords()
    )
    encoder.save_pretrained(tmp_path / "saved", backbone=True)
    again = TypeAwareEncoder.from_pretrained(tmp_path / "saved", detector=CapitalizedWords())
    assert_similar_vectors(again, encoder)


def test_packed_backbone_with_deltas_is_repacked(folder, tmp_path):
    torch.manual_seed(2)
    deltas = tmp_path / "deltas.safetensors"
    save_file({f"{LAYER}.delta": torch.randn(32, 64) / 4}, deltas)
    inside = folder / "backbone"
    adapted = TypeAwareEncoder(
        inside, "hidden@2", adaptation=deltas, detector=SpanHead(["hidden@1"], 32, hidden=16)
    )
    plain = TypeAwareEncoder(inside, "hidden@2", detector=adapted.detector)
    adapted.save_pretrained(tmp_path / "saved", backbone=True)
    again = TypeAwareEncoder.from_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved" / "adaptation.safetensors").exists()
    assert_similar_vectors(again, adapted)
    cosines = (again.encode_types(["river"]) * plain.encode_types(["river"])).sum(1)
    assert (cosines < 0.999).all()


def test_backbone_with_load_options_is_not_packed(tiny_checkpoint, tmp_path):
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@1", load_options={"device_map": "auto"})
    with pytest.raises(ValueError, match="backbone=True"):
        encoder.save_pretrained(tmp_path, backbone=True)
    assert list(tmp_path.iterdir()) == []


def test_saving_over_the_deltas_in_use_is_refused(encoder, tmp_path):
    encoder.save_pretrained(tmp_path)
    again = TypeAwareEncoder.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="save elsewhere"):
        again.save_pretrained(tmp_path, backbone=True)
    assert TypeAwareEncoder.from_pretrained(tmp_path).fingerprint == encoder.fingerprint


SCRIPT = """
import json, socket, sys
def refuse(*_, **__): raise AssertionError("a connection")
socket.socket.connect = socket.getaddrinfo = refuse
from ner_retriever_rag import TypeAwareEncoder
encoder = TypeAwareEncoder.from_pretrained(sys.argv[1])
text = "Oslo " * 600
print(len(encoder.encode([text], [[(0, 4)]])[0].vectors), encoder.encode_types(["city"]).shape)
"""


def test_loads_without_the_hub_and_long_texts_cause_no_warning(folder):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, check=False
    )
    assert result.stdout == "1 (1, 8)\n", result.stderr
    assert "Token indices" not in result.stderr
