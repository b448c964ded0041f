"""Backbone, head and detector trained together, from a saved encoder to a saved encoder."""

import gzip
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import TEXTS
from typer.testing import CliRunner

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.cli import app
from ner_retriever_rag.encoder import ProjectionHead, SpanHead
from ner_retriever_rag.encoder.backbone.adaptation import add_deltas
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.encoder.pair_scorer import PairScorer
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.reading.passage import Passage
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.joint import rebased
from ner_retriever_rag.training.label_passages import LabelPassages

ROWS = [
    TypedText("Stegosaurus lived long before Tyrannosaurus.", ((0, 11, "dino"), (30, 43, "dino"))),
    TypedText("Oslo is the capital of Norway.", ((0, 4, "town"), (23, 29, "land"))),
    TypedText("The Nile flows through Egypt and Sudan.", ((4, 8, "water"), (23, 28, "land"))),
]
NAMES = {"dino": "dinosaur", "town": "city", "water": "river"}  # "land" is not used for training


@pytest.fixture
def encoder(tiny_checkpoint, tmp_path):
    torch.manual_seed(3)
    encoder = TypeAwareEncoder(
        tiny_checkpoint,
        "hidden@2+hidden@3",
        head=ProjectionHead((64, 8)).eval(),
        detector=SpanHead(["hidden@1", "hidden@2"], 64, hidden=16, threshold=0.3),
    )
    encoder.save_pretrained(tmp_path / "before", backbone=True)
    return tmp_path / "before"


@pytest.fixture
def marked(tmp_path):
    folder = tmp_path / "marked"
    folder.mkdir()
    (folder / "names.json").write_text(json.dumps({"things": NAMES}))
    with gzip.open(folder / "things.jsonl.gz", "wt") as file:
        for row in ROWS:
            mentions = [{"start": a, "end": b, "type": label} for a, b, label in row.mentions]
            file.write(json.dumps({"text": row.text, "mentions": mentions}) + "\n")
    return folder


def trained(mined, encoder, marked, out, *more):
    arguments = ["train", "joint", str(mined), "--sets", str(marked), "--encoder", str(encoder)]
    result = CliRunner().invoke(app, [*arguments, "--out", str(out), *more])
    assert result.exit_code == 0, result.output
    return TypeAwareEncoder.from_pretrained(out)


def test_every_part_is_trained_and_saved(mined, encoder, marked, tmp_path):
    before = TypeAwareEncoder.from_pretrained(encoder)
    after = trained(mined, encoder, marked, tmp_path / "after", "--steps", "3")
    assert after.fingerprint != before.fingerprint
    assert after.detector.threshold == 0.3
    name = "backbone/packed.safetensors"
    old, new = load_file(encoder / name), load_file(tmp_path / "after" / name)
    moved = {key.split(".")[2] for key in old if not torch.equal(old[key], new[key])}
    assert moved == {"2"}  # the blocks after the first two
    for part in ("head", "detector"):
        old_part, new_part = getattr(before, part).state_dict(), getattr(after, part).state_dict()
        assert any(not torch.equal(old_part[key], new_part[key]) for key in old_part)
    assert after.names is None
    assert after.prototypes is None


def test_paragraphs_keep_the_teachers_text_vectors(
    mined, encoder, marked, tmp_path, tiny_checkpoint
):
    rows = [{"title": "T", "text": f"Short.\n{' '.join(TEXTS * 3)[: 300 + n]}"} for n in range(4)]
    articles = tmp_path / "articles.jsonl"
    articles.write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = ["--articles", str(articles), "--teacher", str(tiny_checkpoint), "--steps", "2"]
    after = trained(mined, encoder, marked, tmp_path / "after", *more)
    assert after.fingerprint != TypeAwareEncoder.from_pretrained(encoder).fingerprint


def test_run_in_a_work_folder_can_be_resumed(mined, encoder, marked, tmp_path):
    whole = trained(mined, encoder, marked, tmp_path / "one", "--steps", "4")
    work = ["--work", str(tmp_path / "run"), "--steps"]
    trained(mined, encoder, marked, tmp_path / "part", *work, "4")
    again = trained(mined, encoder, marked, tmp_path / "part", *work, "4")  # nothing is left to do
    np.testing.assert_allclose(
        again.encode_types(["river"]), whole.encode_types(["river"]), atol=1e-5
    )


def test_rebased_pair_model_scores_as_on_the_old_backbone(tiny_checkpoint):
    torch.manual_seed(4)
    layer = "encoder.layer.1.output.dense"
    other = "encoder.layer.2.output.dense"
    model = PairModel(
        {f"{layer}.lora_A": torch.randn(2, 64) / 8, f"{layer}.lora_B": torch.randn(32, 2) / 8},
        torch.randn(1, 32),
        torch.zeros(1),
    )
    deltas = {
        f"{each}.{kind}": torch.randn(*shape) / 8
        for each in (layer, other)
        for kind, shape in (("lora_A", (3, 64)), ("lora_B", (32, 3)))
    }
    passages = [Passage(TEXTS[1], 0, 4), Passage(TEXTS[2], 4, 8)]

    def judged(model, moved):
        source = TypeAwareEncoder(tiny_checkpoint, "hidden@3", dtype="float32").source

        def load():
            backbone = source.load(["hidden@3"])
            if moved:
                add_deltas(backbone.model, deltas)
            return backbone

        return PairScorer(model, load).logits("river", passages)

    right = judged(model, moved=False)
    np.testing.assert_allclose(judged(rebased(model, deltas), moved=True), right, atol=0.02)
    assert np.abs(judged(model, moved=True) - right).max() > 0.1  # as it would be without rebasing


def test_rare_label_is_drawn_as_often_as_a_frequent_one():
    rows = [ROWS[0]] * 50 + [ROWS[1]]
    passages = LabelPassages([AnnotatedSet("things", rows, False, NAMES)], 100_000, batch=10)
    assert passages.labels == ["city", "dinosaur", "river"]
    drawn = [passages.labels[label] for step in range(20) for label, _ in passages.at(step)]
    assert 0.4 < drawn.count("city") / len(drawn) < 0.6
    (oslo,) = [each for each in passages.passages if each.text.startswith("Oslo")]
    assert list(oslo.mentions) == [passages.labels.index("city")]  # "land" has no name
    again = LabelPassages([AnnotatedSet("things", rows, False, NAMES)], 100_000, batch=10)
    assert again.at(17) == passages.at(17)


def test_sets_without_a_usable_label_are_rejected():
    with pytest.raises(ValueError, match="no mention has a usable label"):
        LabelPassages([AnnotatedSet("things", ROWS, False, {})], 1_000, batch=2)
