"""The pair model: what a judgement depends on, and that it is the same in any company."""

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.judging import PairJudge
from ner_retriever_rag.encoder.pair_model import PairModel
from ner_retriever_rag.reading.passage import Passage

TAPS = ["hidden@4", "hidden@5"]


@pytest.fixture(scope="module")
def encoder() -> TypeAwareEncoder:
    return TypeAwareEncoder.from_pretrained(dtype="float32")


@pytest.fixture(scope="module")
def model(encoder: TypeAwareEncoder) -> PairModel:
    torch.manual_seed(0)
    made = PairModel(TAPS, 384)
    made.start_from(list(encoder.source.load(["hidden@4", "hidden@6"]).model.encoder.layer)[4:6])
    for block in made.blocks:
        torch.nn.init.normal_(block.marks.weight, std=0.5)
    return made.eval().requires_grad_(False)


@pytest.fixture
def judge(encoder: TypeAwareEncoder, model: PairModel) -> PairJudge:
    return PairJudge(model, lambda texts: encoder.backbone.read(texts))


def passages() -> list[Passage]:
    text = "The Rhine flows through Basel, where Hoffmann was born in 1906."
    return [Passage(text, text.index(w), text.index(w) + len(w)) for w in ("Rhine", "Basel")] + [
        Passage("Oslo.", 0, 4)
    ]


def test_a_judgement_is_the_same_alone_and_in_company(judge, encoder, model):
    together = judge.logits("river in Europe", passages())
    for passage, logit in zip(passages(), together, strict=True):
        alone = PairJudge(model, lambda texts: encoder.backbone.read(texts))
        assert alone.logits("river in Europe", [passage])[0] == pytest.approx(logit, abs=2e-3)


def test_it_depends_on_which_mention_is_marked_and_on_the_description(judge):
    rhine, basel, _ = judge.logits("river", passages())
    assert abs(rhine - basel) > 1e-3
    assert abs(judge.logits("city", passages())[0] - rhine) > 1e-3


def test_what_was_judged_is_not_read_again(judge, encoder):
    read = []
    judge._read = lambda texts: (read.extend(texts), encoder.backbone.read(texts))[1]
    first = judge.logits("river", passages())
    again = judge.logits("river", passages())
    judge.logits("city", passages())
    assert np.array_equal(first, again)
    assert read.count(passages()[0].text) == 1 + 1  # once for each of two mentions
    assert read.count("river") == 1


def test_saved_and_loaded_it_judges_the_same(judge, encoder, model, tmp_path):
    model.save(tmp_path)
    loaded = PairJudge(PairModel.load(tmp_path), lambda texts: encoder.backbone.read(texts))
    assert loaded.logits("river", passages()) == pytest.approx(
        judge.logits("river", passages()), abs=0.02
    )


def test_a_passage_is_cut_between_words_around_its_mention():
    text = "word " * 100 + "Rhine" + " word" * 100
    passage = Passage.around(text, 500, 505, 60)
    assert passage.text[passage.start : passage.end] == "Rhine"
    assert len(passage.text) <= 61
    assert not passage.text.startswith("ord") and not passage.text.endswith("wor")
    assert Passage.around("Oslo", 0, 4) == Passage("Oslo", 0, 4)
