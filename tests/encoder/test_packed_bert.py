"""The shipped backbone runs without transformers, with the same states as with it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import TEXTS, word_piece_tokenizer
from transformers import BertConfig, BertModel

from ner_retriever_rag.encoder.backbone import packed
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.packed_bert import PackedBert, PackedTokenizer
from ner_retriever_rag.encoder.saved import PRETRAINED

EAGER = {"attn_implementation": "eager"}  # an option of transformers, which forces its use
EDGE_CASES = ["", " ", "Ça va?\tnaïve\n\x00 🎉 東京", "[SEP] [CLS]", "word " * 700]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = word_piece_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=48,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("bert")
    packed.write_packed(BertModel(config), tokenizer, folder)
    return folder


def states(backbone, texts):
    return list(backbone.read(texts))


@pytest.mark.parametrize("taps", ["hidden@3", "hidden@1+hidden@2"])
def test_states_match_transformers(folder, taps):
    ours = Backbone(folder, taps, dtype="float32")
    theirs = Backbone(folder, taps, dtype="float32", load_options=EAGER)
    assert isinstance(ours.model, PackedBert)
    assert isinstance(theirs.model, BertModel)
    assert (ours.top, ours.hidden_size, ours.block_count) == ("hidden@3", 32, 3)
    texts = TEXTS + EDGE_CASES  # of unequal lengths: some are padded, one is split into windows
    for mine, other in zip(states(ours, texts), states(theirs, texts), strict=True):
        np.testing.assert_array_equal(mine.offsets, other.offsets)
        assert mine.taps.keys() == other.taps.keys()
        for tap, vectors in mine.taps.items():
            torch.testing.assert_close(vectors, other.taps[tap], atol=1e-5, rtol=1e-5)


def test_states_of_the_shipped_backbone_match_transformers():
    source = PRETRAINED / "backbone"
    ours = Backbone(source, "hidden@2+hidden@6", dtype="float32")
    theirs = Backbone(source, "hidden@2+hidden@6", dtype="float32", load_options=EAGER)
    assert isinstance(ours.model, PackedBert)
    for mine, other in zip(states(ours, TEXTS), states(theirs, TEXTS), strict=True):
        torch.testing.assert_close(
            mine.taps["hidden@6"], other.taps["hidden@6"], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("text", [*TEXTS, *EDGE_CASES])
def test_tokens_match_the_saved_tokenizer(folder, text):
    ours, theirs = PackedTokenizer(folder), word_piece_tokenizer()
    told = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
    for special in (False, True):
        mine = ours(text, add_special_tokens=special, **told)
        assert set(mine) == {"input_ids", "offset_mapping", "special_tokens_mask"}
        other = theirs(text, add_special_tokens=special, verbose=False, **told)
        assert mine == {name: other[name] for name in mine}
    assert ours.pad_token_id == theirs.pad_token_id


def test_other_taps_are_read_by_transformers(folder):
    for taps in ("value@1", "hidden@1+attention@1", "hidden@0"):
        assert isinstance(Backbone(folder, taps).model, BertModel)


def test_invalid_tap_and_missing_weight_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match="has 3 blocks, so hidden@ goes from 0 to 3"):
        Backbone(folder, "hidden@4")
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / packed.WEIGHTS)
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, tmp_path / packed.WEIGHTS)
    with pytest.raises(ValueError, match=r"lacks weights .*layer\.1\.output\.dense\.bias"):
        Backbone(tmp_path, "hidden@2")
    assert isinstance(Backbone(tmp_path, "hidden@1").model, PackedBert)  # needs no second block


def test_other_activations_are_left_to_transformers(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    assert isinstance(Backbone(tmp_path, "hidden@2").model, BertModel)


SCRIPT = """
import sys
from ner_retriever_rag import TypeAwareEncoder
encoder = TypeAwareEncoder.from_pretrained()
(encoded,) = encoder.encode(["Oslo is the capital of Norway."])
print(len(encoded.mentions) > 0, encoder.encode_types(["river"]).shape[0])
print(sorted({"transformers", "torch._dynamo"} & set(sys.modules)))
"""


def test_encoding_does_not_import_transformers():
    run = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True 1", "[]"]
