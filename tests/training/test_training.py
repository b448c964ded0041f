import random

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder.backbone.adaptation import merge_adaptation
from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.training.adapt import AdaptOptions, adapt
from ner_retriever_rag.training.features import mention_features, type_features
from ner_retriever_rag.training.held_out import held_out_heads
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.losses import info_nce, triplet
from ner_retriever_rag.training.lowrank import Adaptation
from ner_retriever_rag.training.mined import MentionContext, MinedEntity, load_entities
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.pairs import PairSampler, TypeQuery
from ner_retriever_rag.training.sampling import sampling_weights
from ner_retriever_rag.training.train_head import CachedPairs, HeadOptions, batch_at, train_head

EMPTY = Hierarchy({}, {})


def entity(*types):
    return MinedEntity("X", types, (MentionContext("X is here.", 0, 1),))


def query(phrase):
    return TypeQuery(phrase, (phrase,))


def test_losses_prefer_the_right_pairs():
    good = torch.nn.functional.normalize(torch.eye(4), dim=-1)
    for loss in (info_nce, triplet):
        assert loss(good, good) < loss(good, good.roll(1, 0))


def test_masked_pairs_are_not_negatives():
    mentions = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [1.0, 0.0]]), dim=-1)
    free = torch.tensor([[False, True], [True, False]])
    assert info_nce(mentions, mentions, free) == pytest.approx(0.0, abs=1e-6)
    assert info_nce(mentions, mentions) > 0.1
    assert triplet(mentions, mentions, free) == 0.0


def test_mask_covers_same_broader_and_kindred_types():
    hierarchy = Hierarchy({"band": ["musical group", "group"]}, {"film": ["movie"]})
    entities = [entity("metal band"), entity("film"), entity("group"), entity("river")]
    queries = [query("jazz band"), query("movie"), query("musical group"), query("lake")]
    mask = NegativeMask(hierarchy)(entities, queries).int().tolist()
    assert mask == [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_sampled_queries_are_grains_of_the_types(rng):
    hierarchy = Hierarchy({"band": ["group"]}, {})
    sampler = PairSampler(hierarchy, rng, alternatives=0.2, other_phrases=["river"])
    drawn = {sampler.query(entity("black metal band")).text for _ in range(300)}
    assert {"black metal band", "metal band", "band", "group", "bands"} <= drawn
    assert any(" or " in text for text in drawn)


def test_crops_keep_the_mention():
    text = "word " * 60 + "Target Name" + " word" * 60
    start = text.index("Target")
    cropped = MentionContext(text, start, start + 11).cropped(80)
    assert cropped.text[cropped.start : cropped.end] == "Target Name"
    assert len(cropped.text) <= 80


def test_perturbed_mentions_are_off_by_a_word(rng):
    text = "He joined the United Nations, in 1950."
    mention = MentionContext(text, 14, 28)
    found = {(c.start, c.end) for c in (mention.perturbed(rng) for _ in range(100))}
    assert {text[start:end] for start, end in found} == {
        "the United Nations",
        "United Nations,",
        "United",
        "Nations",
    }
    alone = MentionContext("Etna", 0, 4)
    assert alone.perturbed(rng) == alone


def test_contexts_are_perturbed_at_the_given_rate(rng):
    context = MentionContext("the Nile flows", 4, 8)
    river = MinedEntity("Nile", ("river",), (context,))
    for span_noise, changed in ((0.0, 0), (1.0, 50)):
        sampler = PairSampler(EMPTY, rng, span_noise=span_noise)
        assert sum(sampler.context(river) != context for _ in range(50)) == changed


def test_mentions_of_frequent_types_have_lower_weights():
    weights = sampling_weights([entity("village")] * 16 + [entity("volcano")])
    assert weights[-1] > 2 * weights[0]


def test_only_rarer_heads_are_held_out():
    many = [entity(f"type{'abcdefghij'[i % 10]}{i}") for i in range(200) for _ in range(6)]
    held = held_out_heads([*many, *[entity("city")] * 500], one_in=5)
    assert 10 < len(held) < 100
    assert "city" not in held_out_heads([entity("city")] * 500, one_in=1)


def test_batches_cover_an_epoch_without_repeats():
    seen = np.concatenate([batch_at(step, 10, 3, seed=1) for step in range(3)])
    assert len(set(seen.tolist())) == 9
    assert (batch_at(5, 10, 3, 1) == batch_at(5, 10, 3, 1)).all()


def separable_pairs(n=64):
    generator = np.random.default_rng(0)
    kinds = np.arange(n) % 4
    centers = generator.normal(size=(4, 12))
    mentions = (centers[kinds] + 0.1 * generator.normal(size=(n, 12))).astype(np.float16)
    words = ["river", "band", "film", "king"]
    entities = [entity(words[k]) for k in kinds]
    queries = [[query(words[k])] for k in kinds]
    return CachedPairs(
        entities,
        mentions,
        queries,
        {w: i for i, w in enumerate(words)},
        generator.normal(size=(4, 12)).astype(np.float16),
    )


@pytest.mark.parametrize("loss", ["info_nce", "triplet"])
def test_head_learns(loss):
    options = HeadOptions(hidden=(16,), dim=8, batch=32, loss=loss, learning_rate=1e-2)
    head, history = train_head(
        separable_pairs(), NegativeMask(EMPTY), options, LoopOptions(60, evaluate_every=20)
    )
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert head.dim == 8


def test_resumed_training_equals_uninterrupted_training(tmp_path):
    options = HeadOptions(hidden=(16,), dim=8, batch=32)
    pairs, mask = separable_pairs(), NegativeMask(EMPTY)
    whole, _ = train_head(pairs, mask, options, LoopOptions(12))

    class Stop(NegativeMask):
        calls = 0

        def __call__(self, entities, queries):
            self.calls += 1
            if self.calls == 7:
                raise KeyboardInterrupt
            return super().__call__(entities, queries)

    loop = LoopOptions(12, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train_head(pairs, Stop(EMPTY), options, loop)
    assert (tmp_path / "checkpoint.pt").exists()
    resumed, _ = train_head(pairs, mask, options, loop)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert (tmp_path / "training.png").stat().st_size > 1000


def test_finished_run_is_not_trained_further(tmp_path):
    options = HeadOptions(hidden=(16,), dim=8, batch=32)
    pairs, mask = separable_pairs(), NegativeMask(EMPTY)
    long, _ = train_head(pairs, mask, options, LoopOptions(12, folder=tmp_path))
    for steps in (6, 12):
        again, _ = train_head(pairs, mask, options, LoopOptions(steps, folder=tmp_path))
        assert all(map(torch.equal, again.parameters(), long.parameters()))


def test_invalid_options_are_rejected():
    with pytest.raises(ValueError, match="fewer than one batch"):
        train_head(separable_pairs(8), NegativeMask(EMPTY), HeadOptions(), LoopOptions(1))
    with pytest.raises(ValueError, match="loss 'x'"):
        options = HeadOptions(batch=8, loss="x")
        train_head(separable_pairs(), NegativeMask(EMPTY), options, LoopOptions(1))


def test_features_are_cached(tiny_checkpoint, tmp_path):
    backbone = Backbone(tiny_checkpoint, "value@1+hidden@3")
    contexts = [MentionContext("Oslo lies in Norway.", 13, 19)]
    first = mention_features(backbone, contexts, tmp_path)
    assert first.shape == (1, 64)
    again = mention_features(backbone, contexts, tmp_path)
    assert (first == again).all() and len(list(tmp_path.iterdir())) == 1
    alone = type_features(backbone, ["Norway"], tmp_path)
    assert not (alone == first).all() and len(list(tmp_path.iterdir())) == 2


@pytest.fixture(params=[2, 0], ids=["low rank", "full"])
def adaptation(tiny_checkpoint, request):
    torch.manual_seed(0)
    backbone = Backbone(tiny_checkpoint, "hidden@2+hidden@3")
    head = ProjectionHead((64, 8), dropout=0.0)
    return Adaptation(backbone, head, rank=request.param, first_block=1)


def test_deltas_start_at_zero_and_merge_to_the_trained_model(
    adaptation, tiny_checkpoint, tmp_path, mined
):
    context = MentionContext("The Nile flows through Egypt.", 4, 8)
    before = adaptation.encode([context])
    assert adaptation.text_cosine([context.text]) == pytest.approx(1.0, abs=1e-5)
    entities = load_entities(mined)
    options = AdaptOptions(batch=4, types=6, warmup=2, learning_rate=1e-2)
    history = adapt(
        adaptation,
        entities,
        sampling_weights(entities),
        lambda rng: PairSampler(EMPTY, rng),
        NegativeMask(EMPTY),
        options,
        LoopOptions(6, evaluate_every=3),
    )
    assert np.isfinite([row["loss"] for row in history]).all()
    after = adaptation.encode([context])
    assert not np.allclose(before, after, atol=1e-3)
    assert adaptation.text_cosine([context.text]) < 1.0

    adaptation.save_deltas(tmp_path / "adaptation.safetensors")
    with torch.no_grad():
        for layer in adaptation.layers.values():
            (layer.up if layer.rank else layer.full).zero_()
    adaptation.load_deltas(tmp_path / "adaptation.safetensors")
    assert np.allclose(after, adaptation.encode([context]), atol=5e-3)
    with pytest.raises(ValueError, match="not adapted"):
        adaptation.layers.popitem()
        adaptation.load_deltas(tmp_path / "adaptation.safetensors")
    merged = Backbone(
        tiny_checkpoint, "hidden@2+hidden@3", adaptation=tmp_path / "adaptation.safetensors"
    )
    features = mention_features(merged, [context]).astype(np.float32)
    with torch.no_grad():
        again = adaptation.head(torch.from_numpy(features)).numpy()
    assert np.allclose(after, again, atol=5e-3)


def test_full_deltas_can_start_from_low_rank_ones(adaptation, tiny_checkpoint, tmp_path):
    with torch.no_grad():
        for value in adaptation.learned().values():
            assert value.dtype == torch.float32
        for layer in adaptation.layers.values():
            (layer.up if layer.rank else layer.full).normal_(std=0.05)
    adaptation.save_deltas(tmp_path / "a.safetensors")
    backbone = Backbone(tiny_checkpoint, "hidden@2+hidden@3")
    full = Adaptation(backbone, adaptation.head, rank=0, first_block=1)
    full.load_deltas(tmp_path / "a.safetensors")
    context = [MentionContext("The Nile flows through Egypt.", 4, 8)]
    assert np.allclose(full.encode(context), adaptation.encode(context), atol=5e-3)


def test_turn_back_interpolates_weights(adaptation):
    before = adaptation.learned()
    with torch.no_grad():
        for value in adaptation.parameters():
            value += value.requires_grad
    adaptation.turn_back(before, 0.25)
    for name, value in adaptation.learned().items():
        assert torch.allclose(value, before[name] + 0.25, atol=1e-5)


def test_blocks_before_the_first_adapted_one_stay_frozen(adaptation):
    names = {n for n, p in adaptation.named_parameters() if p.requires_grad and "head." not in n}
    assert names and all("layer.0" not in name and "embeddings" not in name for name in names)
    random.seed(0)


def test_merging_an_untrained_delta_changes_no_weights(adaptation, tiny_checkpoint, tmp_path):
    adaptation.save_deltas(tmp_path / "a.safetensors")  # untrained: the delta is zero
    plain = Backbone(tiny_checkpoint, "hidden@3")
    weights = {n: p.clone() for n, p in plain.model.named_parameters()}
    merge_adaptation(plain.model, tmp_path / "a.safetensors")
    assert all(torch.equal(weights[n], p) for n, p in plain.model.named_parameters())
