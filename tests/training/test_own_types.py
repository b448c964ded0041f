"""An encoder with a changed head: everything else in its vector space is mapped to it."""

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.own_types import tune_types_recipe, with_head
from ner_retriever_rag.training.tune import LinearMap, Rows, TuneOptions

TEXTS = ["Stegosaurus lived in the Jurassic.", "Oslo is the capital of Norway.", "We met Torvane."]


@pytest.fixture(scope="module")
def rotation():
    """An orthogonal map of the space, which changes no cosine."""
    random = torch.randn(128, 128, generator=torch.Generator().manual_seed(0))
    return torch.linalg.qr(random)[0]


@pytest.fixture(scope="module")
def rotated(shipped_encoder, rotation):
    """The shipped head with this map applied, and the map from old vectors to new ones."""
    head = ProjectionHead(shipped_encoder.head.sizes).eval().requires_grad_(False)
    with torch.no_grad():
        head.net[-1].weight.copy_(rotation @ shipped_encoder.head.net[-1].weight)
        head.net[-1].bias.copy_(rotation @ shipped_encoder.head.net[-1].bias)
    width = shipped_encoder.head.sizes[0]
    features = np.random.default_rng(0).normal(size=(4000, width)).astype(np.float16)
    return head, LinearMap(Rows.from_features(features, shipped_encoder.head), head)


def test_names_and_probabilities_follow_the_new_head(rotated, rotation, tmp_path):
    shipped = TypeAwareEncoder.from_pretrained()
    shipped.learn_names({"Torvane": ["chemical reactor"]})
    shipped.save_pretrained(tmp_path)
    other = with_head(tmp_path, *rotated)
    assert other.fingerprint != shipped.fingerprint
    old, new = shipped.encode(TEXTS), other.encode(TEXTS)
    for before, after in zip(old, new, strict=True):
        np.testing.assert_allclose(after.vectors, before.vectors @ rotation.numpy().T, atol=0.01)
    # If the names were not mapped, they would pull these vectors elsewhere.
    bare = with_head(None, *rotated)
    bare.names = TypeAwareEncoder.from_pretrained().names
    assert not np.allclose(bare.encode(TEXTS[:1])[0].vectors, new[0].vectors, atol=0.01)
    for kind in ("dinosaur", "chemical reactor"):
        (at,), (there) = shipped.encode_types([kind]), other.encode_types([kind])[0]
        for score in (0.1, 0.5, 0.9):
            found = other.similarity_at(there, score)
            assert found == pytest.approx(shipped.similarity_at(at, score), abs=0.01)


def test_encoder_without_a_head_is_rejected(tiny_encoder, tmp_path):
    tiny_encoder.save_pretrained(tmp_path)
    typed = [TypedText("a b", ((0, 1, "letter"),))]
    loop = LoopOptions(steps=1)
    with pytest.raises(ValueError, match="an encoder without a head"):
        tune_types_recipe(tmp_path, typed, [], held_out=0.0, options=TuneOptions(), loop=loop)


def test_training_needs_a_labeled_mention(shipped_encoder):
    typed = [TypedText("a b", ((0, 1, "letter"),)), TypedText("c d", ())]
    loop = LoopOptions(steps=1, seed=1)
    with pytest.raises(ValueError, match="no labelled mention is left to train on"):
        tune_types_recipe(None, typed[1:], [], held_out=0.0, options=TuneOptions(), loop=loop)
