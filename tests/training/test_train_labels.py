"""Heads tuned to labels of many domains."""

import gzip
import json

import numpy as np
import torch
from typer.testing import CliRunner

from ner_retriever_rag.cli.train import train_app
from ner_retriever_rag.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.training.features import project
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.mined import MentionContext, MinedEntity
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.pairs import TypeQuery
from ner_retriever_rag.training.train_head import CachedPairs
from ner_retriever_rag.training.train_labels import (
    LabelledMentions,
    LabelOptions,
    averaged,
    tune_to_labels,
)

WIDTH, LABELS, EACH = 24, 6, 20


def rows_near(centers, rng, each=EACH):
    """Return ``each`` rows near every center."""
    near = np.repeat(centers, each, axis=0)
    return (near + 0.3 * rng.normal(size=near.shape)).astype(np.float16)


def labeled_mentions(rng):
    """Mentions of two guidelines that lie elsewhere than the wordings of their labels."""
    words = rng.normal(size=(LABELS, WIDTH)).astype(np.float16)
    mentions = rows_near(rng.normal(size=(LABELS, WIDTH)), rng)
    of = np.repeat(np.arange(LABELS), EACH)
    in_set = np.zeros((2, LABELS), dtype=bool)
    in_set[0, :3] = in_set[1, 3:] = True
    return LabelledMentions(mentions, of // 3, of, in_set, words, np.arange(LABELS + 1))


def mined_pairs(rng):
    phrases = [f"kind{n}" for n in range(LABELS)]
    types = rng.normal(size=(LABELS, WIDTH)).astype(np.float16)
    context = MentionContext("It is.", 0, 2)
    entities = [
        MinedEntity(f"e{n}", (phrases[n % LABELS],), (context,)) for n in range(LABELS * EACH)
    ]
    queries = [[TypeQuery(each.types[0], each.types)] for each in entities]
    mentions = np.stack([types[n % LABELS] for n in range(len(entities))])
    return CachedPairs(entities, mentions, queries, {p: n for n, p in enumerate(phrases)}, types)


def tuned(seed=0, **options):
    torch.manual_seed(0)
    head = ProjectionHead((WIDTH, 8)).eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    some, pairs = labeled_mentions(rng), mined_pairs(rng)
    mask = NegativeMask(Hierarchy({}, {}))
    kinds = rng.normal(size=(40, WIDTH)).astype(np.float16)
    given = LabelOptions(batch=32, pairs=32, learning_rate=2e-2, **options)
    after = tune_to_labels(head, some, pairs, mask, kinds, given, LoopOptions(60, seed=seed))
    return head, after, some, kinds


def accuracy(head, some):
    """Return the share of mentions that are nearest to their own label."""
    cosines = project(head, some.features) @ project(head, some.wordings).T
    return (cosines.argmax(axis=1) == some.labels).mean()


def test_mentions_move_to_their_labels_and_other_types_stay():
    before, after, some, kinds = tuned(keep=0.0)
    assert accuracy(before, some) < 0.5 < 0.8 < accuracy(after, some)
    _, held, _, _ = tuned(keep=200.0)
    there = project(before, kinds)
    moved, little = ((1 - (project(h, kinds) * there).sum(1)).mean() for h in (after, held))
    assert little < 0.2 * moved


def test_the_same_seed_gives_the_same_head():
    heads = [tuned(seed)[1] for seed in (1, 1, 2)]
    first, again, other = (each.net[0].weight for each in heads)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_labels_of_other_guidelines_with_a_similar_meaning_are_not_separated():
    """Two guidelines use two words for one thing: neither is wrong for the other's mentions."""
    rng = np.random.default_rng(0)
    some = labeled_mentions(rng)
    some.wordings[3] = some.wordings[0] + 0.01
    some.features[some.labels == 3] = rows_near(some.features[:1].astype(float), rng)
    head = ProjectionHead((WIDTH, 8)).eval().requires_grad_(False)
    mask, pairs = NegativeMask(Hierarchy({}, {})), mined_pairs(rng)
    options = LabelOptions(batch=32, pairs=32, learning_rate=2e-2, keep=0.0)
    after = tune_to_labels(head, some, pairs, mask, some.wordings, options, LoopOptions(60))
    cosines = project(after, some.features[some.labels == 3]) @ project(after, some.wordings).T
    assert cosines[:, 0].mean() > 0.5 and cosines[:, 3].mean() > 0.5


def test_heads_are_averaged_with_the_original_one():
    heads = [ProjectionHead((3, 2)) for _ in range(3)]
    mean = averaged(heads[0], heads[1:], 0.6)
    weights = [each.net[0].weight for each in heads]
    wanted = 0.4 * weights[0] + 0.3 * (weights[1] + weights[2])
    assert torch.allclose(mean.net[0].weight, wanted)


def test_on_the_command_line(mined, tiny_checkpoint, tmp_path):
    source, sets, tuned_ = tmp_path / "source", tmp_path / "sets", tmp_path / "tuned"

    def run(*arguments):
        return CliRunner().invoke(train_app, list(map(str, arguments)))

    backbone = ["--backbone", tiny_checkpoint, "--taps", "hidden@2+hidden@3"]
    result = run("head", mined, "--out", source, *backbone, "--batch", 4, "--dim", 8)
    assert result.exit_code == 0, result.output
    sets.mkdir()
    (sets / "names.json").write_text('{"rivers": {"R": "river", "C": "country"}}')
    row = {
        "text": "The Nile is in Egypt.",
        "mentions": [{"start": 4, "end": 8, "type": "R"}, {"start": 15, "end": 20, "type": "C"}],
    }
    with gzip.open(sets / "rivers.jsonl.gz", "wt") as out:
        out.write(f"{json.dumps(row)}\n" * 3)
    command = ["labels", mined, "--encoder", source, "--out", tuned_, "--pairs", 8, "--steps", 2]
    result = run(*command, "--sets", sets, "--seeds", 2)
    assert result.exit_code == 0, result.output
    before, after = (
        TypeAwareEncoder.from_pretrained(each).encode_types(["river"]) for each in (source, tuned_)
    )
    assert 0.5 < float(before[0] @ after[0]) < 0.99999
    result = run(*command)
    assert result.exit_code == 2 and "no mention has a usable label" in result.output
