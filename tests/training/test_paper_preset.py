"""The paper's recipe for a head: triplets, type names as anchors, some hard negatives."""

import json

import pytest
import torch
from typer.testing import CliRunner

from ner_retriever_rag.cli.train import train_app
from ner_retriever_rag.encoder import TypeAwareEncoder
from ner_retriever_rag.training.losses import triplet
from ner_retriever_rag.training.train_head import PRESETS, preset_options


def unit(rows):
    return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


def test_presets_have_the_settings_of_the_paper():
    paper = PRESETS["paper"]
    assert (paper.hidden, paper.dim, paper.dropout) == ((500,), 500, 0.1)
    assert (paper.loss, paper.margin, paper.hard_negatives) == ("triplet", 0.5, 0.1)
    assert (paper.pooling, paper.grains) == ("last", False)
    assert preset_options("paper", dim=None, batch=8).dim == 500
    assert preset_options("ours", dim=64).dim == 64
    with pytest.raises(ValueError, match="preset 'x' is not one of ours, paper"):
        preset_options("x")


def test_triplet_distance_is_one_minus_the_cosine():
    types = unit([[1.0, 0.0], [0.0, 1.0]])
    mentions = unit([[1.0, 0.2], [1.0, 1.0]])
    cosines = types @ mentions.T
    # With two mentions there is one negative per anchor, whether random or the nearest.
    positive, negative = 1 - cosines.diagonal(), 1 - cosines.flip(1).diagonal()
    expected = (positive - negative + 0.5).clamp(min=0).mean()
    for hard in (0.0, 0.1, 1.0):
        assert triplet(mentions, types, margin=0.5, hard=hard) == pytest.approx(expected.item())


def test_hard_negatives_are_the_nearest_ones():
    torch.manual_seed(0)
    types, mentions = unit([[1.0, 0.0]] * 6), unit([[1.0, float(i)] for i in range(6)])
    others = (types @ mentions.T).masked_fill(torch.eye(6, dtype=torch.bool), -1).amax(1)
    hardest = (0.5 + others - (types @ mentions.T).diagonal()).clamp(min=0).mean()
    assert triplet(mentions, types, hard=1.0) == pytest.approx(hardest.item())
    drawn = {round(triplet(mentions, types, hard=0.0).item(), 5) for _ in range(20)}
    assert len(drawn) > 5 and max(drawn) < hardest
    few = torch.stack([triplet(mentions, types, hard=0.1) for _ in range(500)]).mean()
    none = torch.stack([triplet(mentions, types, hard=0.0) for _ in range(500)]).mean()
    assert few == pytest.approx((0.9 * none + 0.1 * hardest).item(), rel=0.03)


@pytest.mark.parametrize("backbone", ["bert", "llama"])
def test_paper_preset_trains_an_encoder(mined, backbone, tiny_checkpoint, request, tmp_path):
    taps, width = "value@1", 32
    if backbone == "llama":
        taps, width = "value@17", 1024
        tiny_checkpoint = request.getfixturevalue("shared") / "reference" / "tiny-llama"
    result = CliRunner().invoke(train_app, [
        "head", str(mined), "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work"),
        "--backbone", str(tiny_checkpoint), "--taps", taps, "--preset", "paper",
        "--batch", "4", "--epochs", "8",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["taps"], config["pooling"]) == (taps, "last")
    encoder = TypeAwareEncoder.from_pretrained(tmp_path / "out")
    assert encoder.head.sizes == (width, 500, 500)
    assert (encoder.head.activation, encoder.head.dropout) == ("silu", 0.1)
    (encoded,) = encoder.encode(["Ulvgard played by the Aldebrook."], [[(0, 7)]])
    assert encoded.vectors.shape == (1, 500)


def test_unknown_preset_or_pooling_is_rejected(mined, tiny_checkpoint, tmp_path):
    for option, value in (("--preset", "x"), ("--pooling", "max")):
        arguments = ["head", str(mined), "--out", str(tmp_path), option, value]
        result = CliRunner().invoke(train_app, arguments)
        assert result.exit_code == 2 and "is not one of" in result.output
