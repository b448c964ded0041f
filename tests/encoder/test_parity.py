"""The same vectors as the code of the paper's authors, and as the full model's own modules."""

import json

import numpy as np
import pytest
import torch
from tiny import TEXTS, CapitalizedWords
from transformers import AutoModelForCausalLM, AutoTokenizer

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.head import ProjectionHead


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "reference" / "tiny-llama-golden.json").read_text())


@pytest.fixture(scope="module")
def paper_encoder(shared):
    reference = shared / "reference"
    return TypeAwareEncoder(
        backbone=reference / "tiny-llama",
        taps="value@17",
        pooling="last",
        head=reference / "contrastive_projection_head.pth",
        detector=CapitalizedWords(),
        dtype="float32",
    )


def normalized(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_mention_vectors_match_the_authors_code(golden, paper_encoder):
    texts = [row["text"] for row in golden["texts"]]
    encoded = paper_encoder.encode(texts, [row["spans"] for row in golden["texts"]])
    assert sum(len(each.vectors) for each in encoded) > 40
    for row, ours in zip(golden["texts"], encoded, strict=True):
        assert ours.vectors.dtype == np.float32
        np.testing.assert_allclose(
            ours.vectors, normalized(row["vectors"]), atol=1e-3, err_msg=row["text"]
        )


def test_type_vectors_match_the_authors_code(golden, paper_encoder):
    ours = paper_encoder.encode_types([row["text"] for row in golden["types"]])
    theirs = normalized([row["vector"] for row in golden["types"]])
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def hook_output(folder, text, block):
    """What a hook on the full language model's value projection sees, and token offsets."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    seen = []
    projection = model.model.layers[block].self_attn.v_proj
    handle = projection.register_forward_hook(lambda _m, _a, output: seen.append(output))
    batch = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets = batch.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        model(**batch)
    handle.remove()
    return seen[0][0], offsets


@pytest.mark.parametrize("block", [0, 7, 17, 19])
def test_vectors_match_a_hook_on_the_full_model(tiny_llama, tmp_path, block):
    torch.manual_seed(0)
    width = 16
    ProjectionHead((width, 12, 10)).save(tmp_path)
    head = ProjectionHead.load(tmp_path)
    encoder = TypeAwareEncoder(
        tiny_llama, f"value@{block}", pooling="last", head=tmp_path, detector=CapitalizedWords()
    )
    described = ["river", "  capital city of a country "]
    encoded = encoder.encode(TEXTS)
    assert sum(len(each.mentions) for each in encoded) > 10
    for text, ours in zip(TEXTS, encoded, strict=True):
        states, offsets = hook_output(tiny_llama, text, block)
        assert states.shape[1] == width
        for mention, vector in zip(ours.mentions, ours.vectors, strict=True):
            last = max(i for i, (start, _) in enumerate(offsets) if start < mention.end)
            np.testing.assert_allclose(vector, head(states[last][None])[0].numpy(), atol=1e-4)
    for description, vector in zip(described, encoder.encode_types(described), strict=True):
        states, _ = hook_output(tiny_llama, description.strip(), block)
        np.testing.assert_allclose(vector, head(states[-1][None])[0].numpy(), atol=1e-4)
