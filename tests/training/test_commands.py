import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from ner_retriever_rag.cli.train import train_app
from ner_retriever_rag.encoder import TypeAwareEncoder
from ner_retriever_rag.training.mined import load_entities

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def marked_file(tmp_path_factory):
    rows = [
        {"text": "The Nile is in Egypt.", "mentions": [(4, 8, "place-water"), (15, 20, "place-x")]},
        {"text": "Oslo is a city.", "mentions": [(0, 4, "place-x")]},
    ]
    path = tmp_path_factory.mktemp("marked") / "marked.jsonl"
    with path.open("w") as out:
        for row in rows * 40:
            spans = [{"start": a, "end": b, "type": t} for a, b, t in row["mentions"]]
            out.write(json.dumps({"text": row["text"], "mentions": spans}) + "\n")
    return path


def run(*arguments):
    result = CliRunner().invoke(train_app, [str(a) for a in arguments])
    return result


def test_commands_train_a_working_encoder(articles_file, marked_file, tiny_checkpoint, tmp_path):
    names = tmp_path / "names.json"
    names.write_text('{"water": "River", "x": "Place"}')
    mined, encoder = tmp_path / "mined", tmp_path / "encoder"
    result = run("mine", articles_file, "--out", mined, "--held-out", marked_file)
    assert result.exit_code == 0 and "articles: 14" in result.output
    common = ["--backbone", tiny_checkpoint, "--taps", "hidden@2+hidden@3"]
    scored = ["--development", marked_file, "--names", names]
    result = run("head", mined, "--out", encoder, *common, *scored, "--batch", 4, "--dim", 8)
    assert result.exit_code == 0, result.output
    result = run("detector", marked_file, "--out", encoder, *common, "--epochs", 1)
    assert result.exit_code == 0, result.output
    nile = ["The Nile is in Egypt."], [[(4, 8)]]
    encoded = TypeAwareEncoder.from_pretrained(encoder).encode(*nile)
    assert encoded[0].vectors.shape == (1, 8)
    result = run("prototypes", encoder, mined, "--count", 3)
    assert result.exit_code == 0 and "3 prototypes written" in result.output, result.output
    drawn = TypeAwareEncoder.from_pretrained(encoder).encode(*nile)
    assert not np.allclose(drawn[0].vectors, encoded[0].vectors)
    result = run("prototypes", encoder, mined)
    assert result.exit_code == 2 and "8192 prototypes need as many mentions" in result.output
    result = run("calibrate", encoder, mined)
    assert result.exit_code == 2 and "unseen in training" in result.output


def test_adapt_command_trains_and_continues(mined, tiny_checkpoint, tmp_path):
    result = run(
        "adapt", mined, "--out", tmp_path, "--backbone", tiny_checkpoint,
        "--taps", "hidden@2+hidden@3", "--steps", 1, "--rank", 2, "--first-block", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    deltas = load_file(tmp_path / "adaptation.safetensors")
    vectors = TypeAwareEncoder.from_pretrained(tmp_path).encode(["Oslo is far."], [[(0, 4)]])
    assert vectors[0].vectors.shape == (1, 128)

    result = run(
        "adapt", mined, "--out", tmp_path / "on", "--backbone", tiny_checkpoint, "--seed", 1,
        "--taps", "hidden@2+hidden@3", "--steps", 1, "--rank", 2, "--first-block", 1,
        "--start", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    further = load_file(tmp_path / "on" / "adaptation.safetensors")
    # A step changes them only slightly; the initial values of another seed would be far away.
    assert all(torch.allclose(deltas[name], further[name], atol=0.01) for name in deltas)
    assert any((deltas[name] != further[name]).any() for name in deltas)


def test_errors_are_one_line(tmp_path, marked_file):
    result = run("mine", tmp_path / "none.jsonl", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "no such file" in result.output
    with pytest.raises(
        FileNotFoundError, match="holds no mined data: run `ner-retriever train mine`"
    ):
        load_entities(tmp_path)
    result = run("head", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
