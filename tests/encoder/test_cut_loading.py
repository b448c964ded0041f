"""Weights after the last tap are not read from disk; load options do not change vectors."""

import json
import shutil
import sys

import pytest
import torch
import transformers
from families import FAMILIES
from safetensors.torch import load_file, save_file
from tiny import TEXTS
from tiny_checkpoints import save_checkpoint
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.backbone.backbone import Backbone

pytestmark = pytest.mark.slow


TAP = "value@17"


def assert_close(ours, theirs, tolerance=1e-5):
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=1e-3)


def read(backbone, texts=TEXTS):
    return [states.taps[str(backbone.taps[0])] for states in backbone.read(texts)]


def cosines(ours, theirs):
    pairs = zip(ours, theirs, strict=True)
    return torch.cat([torch.cosine_similarity(a, b) for a, b in pairs])


@pytest.fixture(scope="module")
def expected_vectors(tiny_llama):
    """The expected vectors, from the complete checkpoint."""
    return read(Backbone(tiny_llama, TAP))


@pytest.fixture(scope="module")
def one_shard_per_weight(tiny_llama, tmp_path_factory):
    """The tiny LLaMA with every weight in its own shard."""
    folder = tmp_path_factory.mktemp("one-file-a-weight")
    model = LlamaForCausalLM.from_pretrained(tiny_llama)
    return save_checkpoint(model, folder, max_shard_size=1)


def shards(folder):
    return json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]


PRECEDING_WEIGHTS = {f"layers.{i}." for i in range(17)} | {"embed_tokens."}
NEEDED_WEIGHTS = {
    "value@17": PRECEDING_WEIGHTS | {"layers.17.input_layernorm.", "layers.17.self_attn.v_proj."},
    "key@17+value@16": PRECEDING_WEIGHTS
    | {"layers.17.input_layernorm.", "layers.17.self_attn.k_proj."},
    "attention@17": PRECEDING_WEIGHTS | {"layers.17.input_layernorm.", "layers.17.self_attn."},
    "mlp@16": PRECEDING_WEIGHTS,
    "hidden@17": PRECEDING_WEIGHTS,
    "hidden@0": {"embed_tokens."},
    "module:model.layers.16.mlp.act_fn": PRECEDING_WEIGHTS,
}


@pytest.mark.parametrize("damage", ["deleted", "corrupt"])
@pytest.mark.parametrize("taps", NEEDED_WEIGHTS)
def test_loads_without_the_files_of_later_weights(one_shard_per_weight, tmp_path, taps, damage):
    expected = read(Backbone(one_shard_per_weight, taps))
    folder = shutil.copytree(one_shard_per_weight, tmp_path / "copy")
    gone = 0
    for name, shard in shards(folder).items():
        if not name.removeprefix("model.").startswith(tuple(NEEDED_WEIGHTS[taps])):
            gone += 1
            if damage == "deleted":
                (folder / shard).unlink()
            else:
                (folder / shard).write_bytes(b"not safetensors")
    assert gone > 9 * 2 + len(["norm", "lm_head"])
    for ours, theirs in zip(read(Backbone(folder, taps)), expected, strict=True):
        assert_close(ours, theirs, 0.0)


def test_ordinary_shards_of_later_blocks_may_be_missing_too(tiny_llama, expected_vectors, tmp_path):
    folder = shutil.copytree(tiny_llama, tmp_path / "copy")
    files = list(folder.glob("*.safetensors"))
    needed = {s for n, s in shards(folder).items() if "embed" in n or 0 <= block_of(n) <= 17}
    for shard in files:
        if shard.name not in needed:
            shard.unlink()
    assert len(list(folder.glob("*.safetensors"))) < len(files)
    for ours, theirs in zip(read(Backbone(folder, TAP)), expected_vectors, strict=True):
        assert_close(ours, theirs, 0.0)


def block_of(name):
    parts = name.split(".")
    return int(parts[2]) if parts[1] == "layers" else -1


def test_missing_required_file_is_named(one_shard_per_weight, tmp_path):
    folder = shutil.copytree(one_shard_per_weight, tmp_path / "copy")
    shard = shards(folder)["model.layers.17.self_attn.v_proj.weight"]
    (folder / shard).unlink()
    with pytest.raises(OSError, match=shard):
        Backbone(folder, TAP)


def test_weight_missing_from_the_checkpoint_is_named(tiny_llama, tmp_path):
    folder = shutil.copytree(tiny_llama, tmp_path / "copy")
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    lacking = "model.layers.17.self_attn.v_proj.weight"
    shard = content["weight_map"][lacking]
    weights = {n: w for n, w in load_file(folder / shard).items() if n != lacking}
    save_file(weights, folder / shard, metadata={"format": "pt"})
    del content["weight_map"][lacking]
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"lacks weights .*layers\.17\.self_attn\.v_proj"):
        Backbone(folder, TAP)


def test_only_modules_that_the_tap_needs_are_in_memory(tiny_llama):
    model = Backbone(tiny_llama, TAP).model
    names = {name for name, _ in model.named_parameters()}
    assert {name for name in names if name.startswith("layers.17.")} == {
        "layers.17.input_layernorm.weight",
        "layers.17.self_attn.v_proj.weight",
    }
    assert all(name.startswith(tuple(NEEDED_WEIGHTS[TAP])) for name in names)
    assert not any("lm_head" in name for name, _ in model.named_modules())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(tiny_llama, expected_vectors, dtype):
    backbone = Backbone(tiny_llama, TAP, dtype=dtype)
    assert {p.dtype for p in backbone.model.parameters()} == {getattr(torch, dtype)}
    vectors = read(backbone)
    assert {v.dtype for v in vectors} == {torch.float32}
    same = cosines(vectors, expected_vectors)
    assert same.mean() > 0.99 and same.min() > 0.95


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5"])
def test_vectors_do_not_depend_on_the_padding_side_of_the_tokenizer(family, side, tmp_path):
    folder = save_checkpoint(FAMILIES[family].model(), tmp_path)
    plain = Backbone(folder, "hidden@2")
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side=side)
    tokenizer.save_pretrained(folder)
    padded = Backbone(folder, "hidden@2")
    assert padded.tokenizer.padding_side == side
    for text, together in zip(TEXTS, read(padded), strict=True):
        (alone,) = read(plain, [text])
        assert_close(together, alone, 2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_do_not_depend_on_the_padding_token(family, tmp_path):
    folder = save_checkpoint(FAMILIES[family].model(), tmp_path)
    backbone = Backbone(folder, "value@2+hidden@2")
    ids = torch.tensor([[5, 9, 300, 17, 42]])
    mask = torch.ones_like(ids)
    pads = [torch.full((1, 4), pad) for pad in (0, 7)]
    with torch.no_grad():
        alone = backbone.forward(ids, mask)
        for pad in pads:
            padded = backbone.forward(
                torch.cat([ids, pad], 1), torch.cat([mask, torch.zeros_like(pad)], 1)
            )
            for tap, vectors in alone.items():
                assert_close(padded[tap][:, :5], vectors, 2e-4)


def test_left_padding_does_not_change_vectors_with_relative_positions(tiny_llama):
    backbone = Backbone(tiny_llama, TAP)
    ids = torch.tensor([[5, 9, 300, 17, 42]])
    mask = torch.ones_like(ids)
    pad = torch.full((1, 4), 7)
    with torch.no_grad():
        (alone,) = backbone.forward(ids, mask).values()
        (padded,) = backbone.forward(
            torch.cat([pad, ids], 1), torch.cat([torch.zeros_like(pad), mask], 1)
        ).values()
    assert_close(padded[:, 4:], alone, 2e-4)


@pytest.fixture(scope="module")
def wide_llama(tmp_path_factory):
    """A LLaMA wide enough for 4-bit quantization in blocks of 64."""
    torch.manual_seed(0)
    shape = {
        "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 64,
    }  # fmt: skip
    model = LlamaForCausalLM(LlamaConfig(**shape)).float()
    return save_checkpoint(model, tmp_path_factory.mktemp("wide"))


@pytest.mark.parametrize(("bits", "layer"), [(8, "Linear8bitLt"), (4, "Linear4bit")])
def test_quantized_loading(wide_llama, bits, layer):
    pytest.importorskip("bitsandbytes", reason="needs the extra [llm]")
    pytest.importorskip("accelerate", reason="needs the extra [llm]")
    options = {"quantization_config": {f"load_in_{bits}bit": True}, "device_map": "auto"}
    encoder = TypeAwareEncoder(wide_llama, "value@2", pooling="last", load_options=options)
    plain = TypeAwareEncoder(wide_llama, "value@2", pooling="last")
    kinds = {type(module).__name__ for module in encoder.backbone.model.modules()}
    assert layer in kinds
    assert len(encoder.backbone.model.layers) == 3
    types = ["river", "capital city"]
    assert ((encoder.encode_types(types) * plain.encode_types(types)).sum(1) > 0.9).all()
    assert encoder.fingerprint != plain.fingerprint


OFFLOADED = {"embed_tokens": "cpu", "rotary_emb": "cpu", "layers": "disk"}


@pytest.mark.parametrize("device_map", ["auto", {"": "cpu"}, OFFLOADED])
def test_device_map(tiny_llama, expected_vectors, tmp_path, device_map):
    pytest.importorskip("accelerate", reason="needs the extra [llm]")
    options = {"device_map": device_map, "offload_folder": str(tmp_path)}
    vectors = read(Backbone(tiny_llama, TAP, load_options=options, dtype="float32"))
    for ours, theirs in zip(vectors, expected_vectors, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("options", "module"),
    [
        ({"device_map": "auto"}, "accelerate"),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes"),
    ],
)
def test_missing_extras_are_named(tiny_llama, monkeypatch, options, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"{module}.*pip install 'ner-retriever-rag\[llm\]'"):
        Backbone(tiny_llama, TAP, load_options=options)


def test_saved_encoder_can_be_loaded_with_other_options(wide_llama, tmp_path):
    pytest.importorskip("accelerate", reason="needs the extra [llm]")
    saved = TypeAwareEncoder(wide_llama, "value@2", pooling="last")
    saved.save_pretrained(tmp_path)
    again = TypeAwareEncoder.from_pretrained(tmp_path, load_options={"device_map": "auto"})
    assert (again.encode_types(["river"]) == saved.encode_types(["river"])).all()


WITH_HEADS = {
    "gpt2": "GPT2LMHeadModel",
    "gpt_neox": "GPTNeoXForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "gemma": "GemmaForCausalLM",
    "bert": "BertForMaskedLM",
    "distilbert": "DistilBertForMaskedLM",
    "modernbert": "ModernBertForMaskedLM",
    "deberta": "DebertaForMaskedLM",
    "t5": "T5ForConditionalGeneration",
}


@pytest.mark.parametrize("family", WITH_HEADS)
def test_checkpoints_of_models_with_a_head(family, tmp_path):
    bare = FAMILIES[family].model()
    config = bare.config
    config.is_encoder_decoder = family == "t5"
    torch.manual_seed(1)
    model = getattr(transformers, WITH_HEADS[family])(config).float().eval()
    model.base_model.load_state_dict(bare.state_dict(), strict=False)
    expected = read(Backbone(save_checkpoint(bare, tmp_path / "bare"), "value@1"))
    folder = save_checkpoint(model, tmp_path / "whole", max_shard_size=1)
    later = [n for n in shards(folder) if ".2." in n or "lm_head" in n or "decoder.block" in n]
    assert later
    for name in later:
        (folder / shards(folder)[name]).unlink(missing_ok=True)
    for ours, theirs in zip(read(Backbone(folder, "value@1")), expected, strict=True):
        assert_close(ours, theirs, 0.0)
