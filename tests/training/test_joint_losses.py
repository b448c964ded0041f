"""Losses of joint training: what they are minimal for, and what they do not count as wrong."""

from pathlib import Path

import pytest
import torch
from tiny import TEXTS

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.training.joint_losses import HardNegativeLoss, ParaphraseLoss, TextLoss
from ner_retriever_rag.training.judgements import Judgements
from ner_retriever_rag.training.lowrank import Adaptation
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.wordnet import WordNet

# A chain of seven levels with two kinds of boat at its end, one below the other.
LEVELS = ["entity", "thing", "matter", "artifact", "vehicle", "boat", "ferry"]
GLOSSES = ["what is", "an entity", "a body", "made by people", "carries people", "a small vessel",
           "carries people over a river"]  # fmt: skip


@pytest.fixture
def adaptation(tiny_checkpoint):
    torch.manual_seed(1)
    backbone = Backbone(tiny_checkpoint, "hidden@2+hidden@3", dtype="float32")
    return Adaptation(backbone, ProjectionHead((64, 8)), rank=2, first_block=1)


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    lines = [
        f"{n:08d} 06 n 02 {name} 0 {name}_of_sorts 0 "
        + (f"001 @ {n - 1:08d} n 0000" if n > 1 else "000")
        + f" | {gloss}"
        for n, (name, gloss) in enumerate(zip(LEVELS, GLOSSES, strict=True), 1)
    ]
    (tmp_path / "data.noun").write_text("\n".join(lines) + "\n")
    (tmp_path / "index.noun").write_text("ferry n 1 1 @ 1 1 00000007\n")
    return WordNet(tmp_path)


class OneGroup:
    """Always draws the same group."""

    def __init__(self, fits):
        context = MentionContext(TEXTS[1], 0, 4)
        self.group = Judgements(tuple((word, context) for word in ("river", "band")), fits)

    def draw(self, rng):
        return self.group


def test_text_loss_is_zero_for_the_teacher_and_grows_with_the_deltas(adaptation, tiny_checkpoint):
    teacher = Backbone(tiny_checkpoint, "hidden@3", dtype="float32")
    loss = TextLoss(adaptation, teacher, TEXTS, batch=2, seed=0)
    assert loss(0).item() == pytest.approx(0.0, abs=1e-5)
    with torch.no_grad():
        for layer in adaptation.layers.values():
            for each in layer.learned:
                each.add_(torch.randn_like(each) / 2)
    changed = loss(0)
    assert changed.item() > 0.01
    changed.backward()
    assert any(each.grad is not None for layer in adaptation.layers.values()
               for each in layer.learned)  # fmt: skip


def test_hard_negative_loss_is_the_cross_entropy_of_the_right_pair(adaptation):
    def loss_of(fits):
        source = OneGroup(fits)
        return HardNegativeLoss(adaptation, [(source, 1.0)], groups=3, temperature=0.1, seed=0)(0)

    one, other = loss_of((True, False)).item(), loss_of((False, True)).item()
    # Softmax probabilities of the two descriptions of one mention.
    assert torch.tensor([-one, -other]).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_broader_senses_are_not_negatives_of_narrower_ones(adaptation, wordnet):
    loss = ParaphraseLoss(adaptation, wordnet, senses=4, temperature=0.1, seed=0)
    # Only "boat" and "ferry" are deep enough; each of them is the other's only possible negative.
    assert loss(0).item() == pytest.approx(0.0, abs=1e-6)


def test_wordnet_of_broad_senses_only_is_rejected(adaptation, wordnet):
    wordnet.synsets.pop(7)
    with pytest.raises(ValueError, match="specific enough"):
        ParaphraseLoss(adaptation, wordnet, senses=4, temperature=0.1, seed=0)
