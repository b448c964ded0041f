"""Every tap of every known family, against vectors computed by hand from the weights."""

import pytest
import torch
import transformers
from families import FAMILIES
from reference_models import BLOCKS, LLAMA_SHAPE
from tiny import TEXTS
from tiny_checkpoints import save_checkpoint
from transformers import MptConfig, MptModel

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.prefetch import prefetch

KINDS = ("value", "key", "query", "attention", "mlp")
TEXT = TEXTS[1]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    """A family's checkpoint folder, and for each block its taps computed by hand."""
    family = FAMILIES[request.param]
    model = family.model()
    folder = save_checkpoint(model, tmp_path_factory.mktemp(request.param))
    ids = Backbone(folder, "hidden@0").tokenizer(TEXT)["input_ids"]
    return folder, [family.reference_taps(model, ids, block) for block in range(BLOCKS)]


def assert_same(ours, reference_taps):
    torch.testing.assert_close(ours, reference_taps, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_single_tap_matches_the_computation_by_hand(family, kind, block):
    folder, reference_taps = family
    (states,) = Backbone(folder, f"{kind}@{block}").read([TEXT])
    assert_same(states.taps[f"{kind}@{block}"], reference_taps[block][kind])


def test_residual_stream_matches_the_full_model(family):
    folder, reference_taps = family
    streams = reference_taps[0]["hidden"]
    assert len(streams) == BLOCKS + 1
    for depth in range(BLOCKS):  # the full model normalizes the last one
        (states,) = Backbone(folder, f"hidden@{depth}").read([TEXT])
        assert_same(states.taps[f"hidden@{depth}"], streams[depth])


def test_all_taps_in_one_pass(family):
    folder, reference_taps = family
    taps = [f"{kind}@{block}" for kind in KINDS for block in range(BLOCKS)]
    backbone = Backbone(folder, [*taps, "hidden@0", "hidden@1", f"hidden@{BLOCKS}"])
    (states,) = backbone.read([TEXT])
    for tap in taps:
        kind, _, block = tap.partition("@")
        assert_same(states.taps[tap], reference_taps[int(block)][kind])
    assert_same(states.taps["hidden@1"], reference_taps[0]["hidden"][1])
    assert states.text_vector is not None


def test_two_threads_read_the_same_as_one(family):
    folder, _ = family
    backbone = Backbone(folder, "value@0+hidden@1", device="cpu")
    texts = [" ".join(TEXTS[: 1 + n % len(TEXTS)]) for n in range(24)]
    one_by_one = [next(iter(backbone.read([text]))) for text in texts]
    for (_, found), expected in zip(
        prefetch(lambda text: next(iter(backbone.read([text]))), texts, 2), one_by_one, strict=True
    ):
        torch.testing.assert_close(found.taps, expected.taps)


def test_top_of_the_residual_stream_is_the_sum_of_its_terms(tmp_path):
    family = FAMILIES["llama"]
    model = family.model()
    folder = save_checkpoint(model, tmp_path)
    backbone = Backbone(folder, f"hidden@{BLOCKS - 1}+hidden@{BLOCKS}")
    reference_taps = family.reference_taps(model, backbone.tokenizer(TEXT)["input_ids"], BLOCKS - 1)
    (states,) = backbone.read([TEXT])
    added = (
        reference_taps["hidden"][BLOCKS - 1] + reference_taps["attention"] + reference_taps["mlp"]
    )
    assert_same(states.taps[f"hidden@{BLOCKS}"], added)


TEXT_SHAPE = LLAMA_SHAPE | {"head_dim": 8}
VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip
MORE = {
    "gemma3, images too": lambda: transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(
            text_config=TEXT_SHAPE, vision_config=VISION, mm_tokens_per_image=4,
            image_token_index=390, boi_token_index=391, eoi_token_index=392,
        )
    ),
    "mistral3, images too": lambda: transformers.Mistral3ForConditionalGeneration(
        transformers.Mistral3Config(
            text_config=TEXT_SHAPE | {"model_type": "mistral"},
            vision_config=VISION | {"model_type": "pixtral", "head_dim": 16},
            image_token_index=390,
        )
    ),
    "qwen3, experts": lambda: transformers.Qwen3MoeForCausalLM(
        transformers.Qwen3MoeConfig(
            **TEXT_SHAPE, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["value", "query", "mlp", "hidden"])
@pytest.mark.parametrize("name", MORE)
def test_nested_language_models_and_mixtures_of_experts(name, kind, tmp_path):
    torch.manual_seed(0)
    model = MORE[name]().float().eval()
    backbone = Backbone(save_checkpoint(model, tmp_path), f"{kind}@1")
    language_model = getattr(model.model, "language_model", model.model)
    block = language_model.layers[1]
    paths = {"value": block.self_attn.v_proj, "query": block.self_attn.q_proj, "mlp": block.mlp}
    seen = []
    if kind == "hidden":
        language_model.layers[0].register_forward_hook(lambda _m, _a, output: seen.append(output))
    else:
        paths[kind].register_forward_hook(lambda _m, _a, output: seen.append(output))
    with torch.no_grad():
        model(input_ids=torch.as_tensor(backbone.tokenizer(TEXT)["input_ids"])[None])
    (states,) = backbone.read([TEXT])
    output = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    assert_same(states.taps[f"{kind}@1"], output.view(len(states), -1))
    assert not any("vision" in weight for weight, _ in backbone.model.named_parameters())
    assert backbone.top == "hidden@3" and backbone.hidden_size == 32


@pytest.fixture(scope="module")
def unknown(tmp_path_factory):
    """MPT, whose module layout the package does not know."""
    torch.manual_seed(0)
    config = MptConfig(
        vocab_size=LLAMA_SHAPE["vocab_size"], d_model=32, n_layers=3, n_heads=4, max_seq_len=64
    )
    model = MptModel(config).float().eval()
    return save_checkpoint(model, tmp_path_factory.mktemp("mpt")), model


def test_unknown_architecture_lists_modules_and_how_to_name_them(unknown):
    folder, _ = unknown
    with pytest.raises(ValueError, match="MptModel are not known") as error:
        Backbone(folder, "value@1")
    assert "module:dotted.path" in str(error.value)
    assert "module:model.layers.17.self_attn.v_proj" in str(error.value)
    for place in ("wte", "blocks.N.attn.Wqkv", "blocks.N.ffn.down_proj"):
        assert place in str(error.value)


def test_a_module_named_directly_is_read(unknown):
    folder, model = unknown
    seen = []
    model.blocks[1].attn.Wqkv.register_forward_hook(lambda _m, _a, output: seen.append(output))
    backbone = Backbone(folder, "module:blocks.1.attn.Wqkv")
    with torch.no_grad():
        model(input_ids=torch.as_tensor(backbone.tokenizer(TEXT)["input_ids"])[None])
    (states,) = backbone.read([TEXT])
    assert_same(states.taps["module:blocks.1.attn.Wqkv"], seen[0][0])
    assert len(backbone.model.blocks) == 2
    encoder = TypeAwareEncoder(folder, "module:blocks.1.attn.Wqkv", pooling="last")
    assert encoder.encode_types(["river"]).shape == (1, 96)


@pytest.mark.parametrize("prefix", ["", "model."])
def test_modules_may_be_named_as_in_the_full_language_model(tiny_llama, prefix):
    named = f"module:{prefix}layers.17.self_attn.v_proj"
    (by_name,) = Backbone(tiny_llama, named).read([TEXT])
    (by_kind,) = Backbone(tiny_llama, "value@17").read([TEXT])
    torch.testing.assert_close(by_name.taps[named], by_kind.taps["value@17"])
