import numpy as np
import pytest
import torch
from tiny import TEXTS, byte_level_tokenizer
from transformers import AutoModel, GPT2Config, GPT2Model

from ner_retriever_rag.encoder.backbone.adaptation import merge_adaptation
from ner_retriever_rag.encoder.backbone.backbone import Backbone


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-gpt2")
    tokenizer = byte_level_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=3, n_head=4, n_positions=64,
        initializer_range=0.2,
    )  # fmt: skip
    GPT2Model(config).save_pretrained(folder)
    return folder


def whole_model(folder, backbone, text):
    """The full model, its states for a text without special tokens, and the top ones with them."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    batch = backbone.tokenizer(text, return_tensors="pt")
    special = backbone.tokenizer(text, return_special_tokens_mask=True)["special_tokens_mask"]
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    kept = ~torch.tensor(special, dtype=torch.bool)
    return model, [layer[0][kept] for layer in states], states[-1][0]


def test_taps_of_one_pass_match_the_full_model(tiny_checkpoint):
    backbone = Backbone(tiny_checkpoint, "value@1+hidden@0+hidden@2+hidden@3")
    for text, states in zip(TEXTS, backbone.read(TEXTS), strict=True):
        model, hidden, top = whole_model(tiny_checkpoint, backbone, text)
        value = model.encoder.layer[1].attention.self.value
        expected = {
            "value@1": value(hidden[1]),
            "hidden@0": hidden[0],
            "hidden@2": hidden[2],
            "hidden@3": hidden[3],
        }
        for tap, vectors in expected.items():
            torch.testing.assert_close(states.taps[tap], vectors, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(states.text_vector, top.mean(0).numpy(), atol=1e-4)


def test_modules_after_the_last_tap_are_removed(tiny_checkpoint):
    cut = Backbone(tiny_checkpoint, "value@1").model
    assert len(cut.encoder.layer) == 2
    left = {name for name, _ in cut.encoder.layer[1].named_parameters()}
    assert left == {"attention.self.value.weight", "attention.self.value.bias"}
    assert cut.pooler is None


def test_text_vector_needs_the_top_layer(tiny_checkpoint):
    (states,) = Backbone(tiny_checkpoint, "hidden@2").read(["Oslo"])
    assert states.text_vector is None


@pytest.mark.parametrize("family", ["tiny_checkpoint", "gpt2"])
def test_offsets_refer_to_the_original_string(family, request):
    backbone = Backbone(request.getfixturevalue(family), "hidden@1")
    texts = [*TEXTS, "  Café\u0301  naïve…\n\tİstanbul 👩‍👩‍👧 ﬁn", "e\u0301" * 10]
    for text, states in zip(texts, backbone.read(texts), strict=True):
        assert (states.offsets[:, 0] <= states.offsets[:, 1]).all()
        assert states.offsets.max() <= len(text)
        covered = {char for start, end in states.offsets for char in range(start, end)}
        lost = [char for i, char in enumerate(text) if char.isalpha() and i not in covered]
        assert not lost


@pytest.mark.parametrize("family", ["tiny_checkpoint", "gpt2"])
def test_states_do_not_depend_on_the_batch(family, request):
    backbone = Backbone(request.getfixturevalue(family), "value@1+hidden@2")
    together = list(backbone.read(TEXTS))
    for text, states in zip(TEXTS, together, strict=True):
        (alone,) = backbone.read([text])
        for tap in states.taps:
            torch.testing.assert_close(states.taps[tap], alone.taps[tap], atol=1e-5, rtol=1e-4)


def test_long_texts_are_read_in_windows_without_loss(tiny_checkpoint):
    backbone = Backbone(tiny_checkpoint, "hidden@0+hidden@2", window=32, overlap=12)
    text = " ".join(TEXTS) * 5
    (states,) = backbone.read([text])
    (first,) = backbone.read([TEXTS[0]])
    tokens = backbone.tokenizer(text, add_special_tokens=False, truncation=False)["input_ids"]
    assert len(states) == len(tokens) > 100
    assert all(len(vectors) == len(tokens) for vectors in states.taps.values())
    assert (np.diff(states.offsets[:, 0]) >= 0).all()
    assert torch.isfinite(states.taps["hidden@2"]).all()
    # A token's embedding depends on its position in the window, so compare the start of the
    # text, where positions are the same as in the text read alone.
    torch.testing.assert_close(states.taps["hidden@0"][:5], first.taps["hidden@0"][:5])


def test_text_without_tokens(tiny_checkpoint, gpt2):
    for folder in (tiny_checkpoint, gpt2):
        (states,) = Backbone(folder, "hidden@1").read(
            ["\u200b" if folder is tiny_checkpoint else ""]
        )
        assert len(states) == 0


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        ("value@3", "3 blocks, so value@ goes from 0 to 2"),
        ("hidden@4", "hidden@ goes from 0 to 3"),
        ("valve@1", "tap 'valve@1' is not understood"),
        ("value@1+value@1", "twice"),
        ("module:no.such", "no module 'no.such'"),
    ],
)
def test_invalid_taps_are_refused(tiny_checkpoint, taps, message):
    with pytest.raises(ValueError, match=message):
        Backbone(tiny_checkpoint, taps)


def test_invalid_window_and_dtype_are_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="window"):
        Backbone(tiny_checkpoint, "hidden@1", window=65)
    with pytest.raises(ValueError, match="overlap"):
        Backbone(tiny_checkpoint, "hidden@1", window=20, overlap=18)
    with pytest.raises(ValueError, match="dtype 'int8'"):
        Backbone(tiny_checkpoint, "hidden@1", dtype="int8")


def test_missing_weights_are_refused(tiny_checkpoint, tmp_path):
    from shutil import copytree

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    copytree(tiny_checkpoint, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lacks weights"):
        Backbone(folder, "hidden@1")


def test_adaptation_is_merged_into_the_weights(tiny_checkpoint, tmp_path):
    from safetensors.torch import save_file

    layer = "encoder.layer.0.attention.self.value"
    a, b = torch.randn(2, 32), torch.randn(32, 2)
    file = tmp_path / "adaptation.safetensors"
    save_file({f"{layer}.lora_A": a, f"{layer}.lora_B": b}, file)
    plain = Backbone(tiny_checkpoint, "value@0")
    adapted = Backbone(tiny_checkpoint, "value@0", adaptation=file)
    weight = plain.model.get_submodule(layer).weight
    torch.testing.assert_close(adapted.model.get_submodule(layer).weight, weight + b @ a)
    with pytest.raises(ValueError, match="holds no deltas"):
        save_file({"other.lora_A": a, "other.lora_B": b}, file)
        merge_adaptation(plain.model, file)
