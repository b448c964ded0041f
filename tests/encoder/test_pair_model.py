"""The pair model: what a judgment depends on, and that it is the same in any batch."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.pair_model import PairModel, PairTokens
from ner_retriever_rag.encoder.pair_scorer import PairScorer
from ner_retriever_rag.encoder.saved import BACKBONE, PRETRAINED
from ner_retriever_rag.reading.passage import Passage

LAYERS = ("encoder.layer.0.attention.self.query", "encoder.layer.5.output.dense")


@pytest.fixture(scope="module")
def encoder() -> TypeAwareEncoder:
    return TypeAwareEncoder.from_pretrained(dtype="float32")


@pytest.fixture(scope="module")
def tokenizer():
    """The shipped tokenizer as loaded by transformers, which can decode tokens."""
    return AutoTokenizer.from_pretrained(PRETRAINED / BACKBONE)


@pytest.fixture(scope="module")
def model(encoder: TypeAwareEncoder) -> PairModel:
    draw = torch.Generator().manual_seed(0)
    modules = dict(encoder.source.load([encoder.backbone.top]).model.named_modules())
    deltas = {}
    for name in LAYERS:
        out, width = modules[name].weight.shape
        deltas[f"{name}.lora_A"] = 0.1 * torch.randn(4, width, generator=draw)
        deltas[f"{name}.lora_B"] = 0.1 * torch.randn(out, 4, generator=draw)
    return PairModel(deltas, torch.randn(1, 384, generator=draw), torch.zeros(1))


def judge_of(encoder: TypeAwareEncoder, model: PairModel) -> PairScorer:
    return PairScorer(model, lambda: encoder.source.load([encoder.backbone.top]))


@pytest.fixture(scope="module")
def judge(encoder: TypeAwareEncoder, model: PairModel) -> PairScorer:
    return judge_of(encoder, model)


def passages() -> list[Passage]:
    text = "The Rhine flows through Basel, where Hoffmann was born in 1906."
    return [Passage(text, text.index(w), text.index(w) + len(w)) for w in ("Rhine", "Basel")] + [
        Passage("Oslo.", 0, 4)
    ]


def test_pair_is_description_and_passage_with_the_mention_in_brackets(encoder, tokenizer):
    tokens = PairTokens(encoder.backbone.tokenizer)
    ids, mask, at = tokens([("river", passages()[0]), ("city", Passage("[x] Oslo.", 4, 8))])
    first, second = (
        tokenizer.decode(row[real.bool()]) for row, real in zip(ids, mask, strict=True)
    )
    assert first.startswith("[CLS] river [SEP] the [ rhine ] flows through basel")
    assert second == "[CLS] city [SEP] ( x ) [ oslo ]. [SEP]"
    close = tokenizer.convert_tokens_to_ids("]")
    assert ids[torch.arange(2), at].tolist() == [close, close]


def test_long_passage_and_description_are_cut_but_the_mention_is_kept(encoder, tokenizer):
    tokens = PairTokens(encoder.backbone.tokenizer)
    text = "word " * 300 + "Oslo" + " word" * 300
    ids, _, at = tokens([("thing " * 100, Passage(text, 1500, 1504))])
    assert ids.shape[1] < 256
    assert tokenizer.decode(ids[0, at[0] - 2 : at[0] + 1]) == "[ oslo ]"


def test_judgment_does_not_depend_on_the_batch(judge, encoder, model):
    together = judge.logits("river in Europe", passages())
    alone = judge_of(encoder, model)
    for passage, logit in zip(passages(), together, strict=True):
        assert alone.logits("river in Europe", [passage])[0] == pytest.approx(logit, abs=2e-3)


def test_judgment_depends_on_the_marked_mention_and_the_description(judge):
    rhine, basel, _ = judge.logits("river", passages())
    assert abs(rhine - basel) > 1e-3
    assert abs(judge.logits("city", passages())[0] - rhine) > 1e-3


def test_judged_pairs_are_cached(encoder, model):
    judge, read = judge_of(encoder, model), []
    first = judge.logits("river", passages())
    backbone, tokens = judge._reader()
    judge._read = backbone, lambda pairs: (read.extend(pairs), tokens(pairs))[1]
    again = judge.logits("river", [*passages(), Passage("Rome.", 0, 4)])
    assert np.array_equal(first, again[:3])
    assert read == [("river", Passage("Rome.", 0, 4))]


def test_identifiers_have_no_logit(judge):
    text = "Pass --no-cache to Basel or mail jo@acme.org. Python v3.11 is used."
    found = ["Basel", "--no-cache", "mail jo@acme.org.", "Python v3.11", "v3.11"]
    passages = [Passage(text, text.index(each), text.index(each) + len(each)) for each in found]
    logits = judge.logits("city", passages)
    assert np.isnan(logits).tolist() == [False, True, True, False, True]


def test_judging_does_not_change_vectors(encoder, judge):
    before = encoder.encode_types(["river"])
    judge.logits("lake", passages())
    fresh = TypeAwareEncoder.from_pretrained(dtype="float32")
    assert np.array_equal(before, fresh.encode_types(["river"]))


def test_saved_model_judges_the_same_after_loading(judge, encoder, model, tmp_path):
    model.save(tmp_path)
    loaded = judge_of(encoder, PairModel.load(tmp_path))
    assert loaded.logits("river", passages()) == pytest.approx(judge.logits("river", passages()))


def test_passage_is_cut_between_words_around_its_mention():
    text = "word " * 100 + "Rhine" + " word" * 100
    passage = Passage.around(text, 500, 505, 60)
    assert passage.text[passage.start : passage.end] == "Rhine"
    assert len(passage.text) <= 61
    assert not passage.text.startswith("ord") and not passage.text.endswith("wor")
    assert Passage.around("Oslo", 0, 4) == Passage("Oslo", 0, 4)
