import random

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.span_head import SHAPES, SpanHead, Words, resolve
from ner_retriever_rag.evaluation.metrics import boundary_metrics
from ner_retriever_rag.training.annotated import AnnotatedSentence, join_pairs, read_annotated
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.train_detector import (
    DetectorOptions,
    read_sentences,
    targets,
    train_detector,
    without_capitals,
)

TAPS = ["hidden@1", "hidden@3"]


def marked(text, *names):
    return AnnotatedSentence(text, tuple((text.index(n), text.index(n) + len(n)) for n in names))


SENTENCES = [
    marked("The Nile flows through Egypt and Sudan.", "Nile", "Egypt", "Sudan"),
    marked("Ada Lovelace wrote a program.", "Ada Lovelace"),
    marked("Oslo is the capital of Norway.", "Oslo", "Norway"),
    marked("Zürich and Malmö are cities.", "Zürich", "Malmö"),
]


def test_words_and_their_shape_features():
    words = Words("NASA's Apollo-11 landed. It worked.")
    texts = ["NASA", "'", "s", "Apollo", "-", "11", "landed", ".", "It", "worked", "."]
    text = "NASA's Apollo-11 landed. It worked."
    assert [text[a:b] for a, b in zip(words.starts, words.ends, strict=True)] == texts
    looks = words.shapes.astype(bool)
    assert looks[0, 1] and looks[3, 0] and looks[5, 4] and looks[6, 3] and looks[1, 6]
    assert looks[:, 7].nonzero()[0].tolist() == [0, 8]
    assert len(Words("  ")) == 0


def test_word_vectors_are_means_of_their_tokens():
    words = Words("un able")
    offsets = np.array([[0, 2], [2, 5], [5, 7]])  # "un", " ab", "le": a space belongs to a token
    pooled = words.pool(offsets, torch.tensor([[1.0], [2.0], [4.0]]))
    assert pooled.squeeze(1).tolist() == [1.0, 3.0]


def test_padding_does_not_change_scores():
    torch.manual_seed(0)
    head = SpanHead(TAPS, 6, hidden=8, max_words=4).eval()
    vectors, shapes = torch.randn(1, 5, 6), torch.rand(1, 5, SHAPES)
    alone = head(vectors, shapes)
    assert alone.shape == (1, 5, 4)
    assert torch.isneginf(alone[0, 4, 1:]).all() and torch.isfinite(alone[0, 1]).all()
    pad = torch.nn.functional.pad
    padded = head(pad(vectors, (0, 0, 0, 3)), pad(shapes, (0, 0, 0, 3)))
    inside = torch.isfinite(alone)
    assert torch.allclose(alone[inside], padded[:, :5][inside], atol=1e-5)


def test_crossing_spans_are_resolved_and_nested_or_adjacent_ones_kept():
    starts, ends = np.array([0, 1, 0, 2]), np.array([2, 3, 1, 4])
    kept = resolve(starts, ends, np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32))
    assert [(i, j) for i, j, _ in kept] == [(0, 1), (0, 2), (2, 4)]


def test_fragment_of_a_much_more_probable_span_is_dropped():
    starts, ends = np.array([0, 0, 1, 3]), np.array([3, 1, 3, 4])
    kept = resolve(starts, ends, np.array([0.9, 0.35, 0.37, 0.3], dtype=np.float32))
    assert [(start, end) for start, end, _ in kept] == [(0, 3), (1, 3), (3, 4)]


def test_detector_is_trained_saved_and_loaded(tiny_checkpoint, tmp_path):
    backbone = Backbone(tiny_checkpoint, TAPS)
    read = read_sentences(backbone, SENTENCES * 4, 4)
    options = DetectorOptions(hidden=32, max_words=4, batch=4, learning_rate=1e-2)
    head, history = train_detector(TAPS, read, options, LoopOptions(80, evaluate_every=40))
    assert history[-1]["loss"] < history[0]["loss"]
    found = []
    texts = [s.text for s in SENTENCES] + [""]
    states = list(backbone.read(texts))
    together = head.mentions_of(texts, states, 0.5)
    for sentence, read_of_it, mentions in zip(SENTENCES, states[:-1], together[:-1], strict=True):
        alone = head.mentions(sentence.text, read_of_it, 0.5)
        assert [(m.start, m.end) for m in alone] == [(m.start, m.end) for m in mentions]
        assert [m.score for m in alone] == pytest.approx([m.score for m in mentions], abs=1e-5)
        assert all(m.text == sentence.text[m.start : m.end] for m in mentions)
        assert mentions == sorted(mentions, key=lambda m: (m.start, m.end))
        found.append([(m.start, m.end) for m in mentions])
    assert boundary_metrics([s.mentions for s in SENTENCES], found).exact > 0.8
    assert together[-1] == []

    head.threshold = 0.3
    head.save(tmp_path)
    again = SpanHead.load(tmp_path)
    assert (again.taps, again.threshold) == (tuple(TAPS), 0.3)
    states = next(iter(backbone.read([SENTENCES[0].text])))
    assert len(again.mentions(SENTENCES[0].text, states, 0.0)) >= len(
        again.mentions(SENTENCES[0].text, states, 0.9)
    )
    with pytest.raises(FileNotFoundError):
        SpanHead.load(tmp_path / "none")


def test_unknown_spans_are_left_out_of_the_loss():
    text = "Then Ulvgard met Bo Nilsen there."
    sentence = AnnotatedSentence(text, ((5, 12),), ((5, 12), (17, 19), (20, 26)))
    target = targets(sentence, Words(text), 3)
    assert target[1, 0] == 1  # the mention
    assert target[0, 1] == -1  # overlaps it
    assert target[3, 0] == target[3, 1] == -1  # Bo Nilsen is not annotated
    assert target[0, 0] == target[2, 0] == 0  # "Then", "met"


def test_no_span_crosses_a_seam():
    text = "Ada met Bo Nilsen. Cy left."
    sentence = AnnotatedSentence(text, ((0, 3),), ((8, 10), (11, 17), (19, 21)), (19,))
    target = targets(sentence, Words(text), 4)
    assert target[3, 1] == -1  # "Nilsen." is left out
    assert target[3, 2] == target[4, 1] == 2  # "Nilsen. Cy", ". Cy"
    assert target[5, 0] == -1 and target[0, 0] == 1


def test_mined_sentences_have_unknown_spans_and_seams(tmp_path):
    path = tmp_path / "silver.jsonl"
    path.write_text(
        '{"text": "The guitar of Ulvgard met Bo.", "mentions": '
        '[{"start": 4, "end": 10, "seen": 900}, {"start": 14, "end": 21, "seen": 3}]}\n'
    )
    (sentence,) = read_annotated(path)
    assert sentence.mentions == ((14, 21),)
    assert set(sentence.unknown) == {(4, 10), (14, 21), (26, 28)}
    path.write_text(
        '{"text": "Ulvgard in Oslo, which was big, slept in May.", "mentions": '
        '[{"start": 0, "end": 7, "seen": 9}, {"start": 11, "end": 15, "seen": 3}]}\n'
    )
    (sentence,) = read_annotated(path)
    assert [sentence.text[seam:].split()[0] for seam in sentence.seams] == ["in", "which", "was"]


@pytest.mark.parametrize("seen", ["", ', "seen": 3'])
def test_dates_are_not_mentions_but_sums_of_money_are(tmp_path, seen):
    text = "In early May 1999 Windows 98 cost £27,000 or $ 1.5 million."
    path = tmp_path / "marked.jsonl"
    spans = [(text.index(m), text.index(m) + len(m)) for m in ("early May 1999", "Windows 98")]
    marked = ", ".join(f'{{"start": {a}, "end": {b}{seen}}}' for a, b in spans)
    path.write_text(f'{{"text": "{text}", "mentions": [{marked}]}}\n', encoding="utf-8")
    (sentence,) = read_annotated(path)
    found = [text[a:b] for a, b in sentence.mentions]
    assert found == ["Windows 98", "£27,000", "$ 1.5 million"]


def test_joined_sentences_keep_their_mentions():
    together = join_pairs(SENTENCES, random.Random(0), share=1.0)
    assert len(together) == 2
    assert all(s.text[seam - 2] == "." for s in together for seam in s.seams)
    names = sorted(s.text[a:b] for s in together for a, b in s.mentions)
    assert names == sorted(s.text[a:b] for s in SENTENCES for a, b in s.mentions)


def test_shape_features_without_capitals():
    cased, lower = Words("NASA met Ann iPod 3x"), Words("nasa met ann ipod 3x")
    assert torch.equal(
        without_capitals(torch.from_numpy(cased.shapes)), torch.from_numpy(lower.shapes)
    )


def test_boundary_metrics():
    figures = boundary_metrics([[(0, 4), (6, 9)], []], [[(0, 4), (5, 9)], [(1, 2)]])
    assert (figures.exact, figures.overlap, figures.per_text) == (0.5, 1.0, 1.5)
