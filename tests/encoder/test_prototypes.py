"""Prototypes pull mentions of one kind together and change nothing else."""

import numpy as np
import pytest
from tiny import TEXTS, CapitalizedWords
from unit_vectors import unit

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.prototypes import Prototypes


@pytest.fixture
def centers():
    return unit(np.random.default_rng(0).normal(size=(5, 32)))


@pytest.fixture
def mentions(centers):
    """Forty mentions of each of five kinds, each with noise from its own sentence."""
    marks = np.random.default_rng(1).normal(size=(5, 40, 32)) * 0.1
    return unit(centers[:, None] + marks).reshape(-1, 32)


def test_mentions_are_pulled_towards_the_mixture_of_prototypes(centers, mentions):
    stored = centers.astype(np.float16).astype(np.float32)
    nearness = np.exp(mentions @ stored.T / 0.1)
    mixture = nearness / nearness.sum(axis=1, keepdims=True) @ stored
    drawn = Prototypes(centers, weight=0.5, width=0.1).pull(mentions)
    np.testing.assert_allclose(drawn, unit(mentions + 0.5 * mixture), atol=1e-5)
    assert drawn.dtype == np.float32


def test_kinds_move_together_and_stay_separate(centers, mentions):
    drawn = Prototypes(centers).pull(mentions)
    kinds = np.repeat(np.arange(5), 40)
    same = kinds[:, None] == kinds
    before, after = mentions @ mentions.T, drawn @ drawn.T
    assert after[same].mean() > before[same].mean() + 0.05
    assert after[~same].mean() < before[same].mean() - 0.5
    assert ((drawn @ centers.T).argmax(axis=1) == kinds).all()


def test_result_does_not_depend_on_the_batch(centers, mentions):
    many = np.concatenate([mentions] * 11)  # more than are processed together
    prototypes = Prototypes(centers)
    one_by_one = np.concatenate([prototypes.pull(mentions[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(prototypes.pull(many)[2000:2003], one_by_one, atol=1e-6)
    assert prototypes.pull(mentions[:0]).shape == (0, 32)


def test_given_vectors_are_not_modified(centers, mentions):
    kept = mentions.copy()
    Prototypes(centers).pull(mentions)
    np.testing.assert_array_equal(mentions, kept)


@pytest.mark.parametrize("wrong", [np.zeros((0, 8)), np.zeros(8)])
def test_invalid_prototypes_are_refused(wrong):
    with pytest.raises(ValueError, match=r"n >= 1, dim"):
        Prototypes(wrong)
    with pytest.raises(ValueError, match="width > 0"):
        Prototypes(np.ones((1, 8)), width=0)


def test_saved_prototypes_load_unchanged(centers, mentions, tmp_path):
    prototypes = Prototypes(centers, weight=0.7, width=0.3)
    prototypes.save(tmp_path / "saved")
    loaded = Prototypes.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.pull(mentions), prototypes.pull(mentions))
    assert loaded.digest == prototypes.digest != Prototypes(centers, weight=0.7).digest


def test_prototypes_follow_a_map_of_the_vector_space(centers, mentions):
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(32, 32)))[0].astype(np.float32)
    prototypes = Prototypes(centers, weight=0.7, width=0.3)
    moved = prototypes.moved(lambda vectors: vectors @ turn)
    np.testing.assert_allclose(
        moved.pull(mentions @ turn), prototypes.pull(mentions) @ turn, atol=2e-3
    )


def test_encoder_applies_prototypes_to_mentions_only(tiny_checkpoint):
    def encoder(**parts):
        return TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=CapitalizedWords(), **parts)

    bare = encoder()
    prototypes = Prototypes(unit(np.random.default_rng(3).normal(size=(4, bare.dim))))
    drawing = encoder(prototypes=prototypes)
    for before, after in zip(bare.encode(TEXTS), drawing.encode(TEXTS), strict=True):
        np.testing.assert_allclose(after.vectors, prototypes.pull(before.vectors), atol=1e-6)
        np.testing.assert_array_equal(after.text_vector, before.text_vector)
    np.testing.assert_array_equal(bare.encode_types(["river"]), drawing.encode_types(["river"]))
    assert bare.fingerprint != drawing.fingerprint


def test_names_are_blended_before_prototypes_apply(tiny_checkpoint):
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=CapitalizedWords())
    encoder.learn_names({"Oslo": ["city"]})
    blended = encoder.encode(["Oslo is far."])[0].vectors
    encoder.prototypes = Prototypes(unit(np.random.default_rng(4).normal(size=(4, encoder.dim))))
    drawn = encoder.encode(["Oslo is far."])[0].vectors
    np.testing.assert_allclose(drawn, encoder.prototypes.pull(blended), atol=1e-6)


def test_prototypes_can_be_added(centers, mentions):
    few, more = Prototypes(centers[:3], weight=0.7), Prototypes(centers, weight=0.7)
    extended = few.extended(centers[3:])
    assert len(extended) == 5 and len(few) == 3
    np.testing.assert_array_equal(extended.pull(mentions), more.pull(mentions))
