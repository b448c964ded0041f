"""Which spans the span head selects; what it learns is tested with its training."""

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder.backbone.states import TokenStates
from ner_retriever_rag.encoder.span_head import WORD, SpanHead

WIDTH = 4
TEXTS = [
    "Bjarne wrote a book on a programming language. C is what it began as.",
    "Hello, world.\nThe C++ language",
    "It grew in Milan\r\nOslo had none.",
    "Why? Because! (Ann said so.) Bo left.",
]


@pytest.fixture
def accept_all_head():
    """A head that accepts every span as a mention and prefers longer ones."""
    head = SpanHead(["hidden@1"], WIDTH, hidden=8, max_words=12, threshold=0.2)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.lengths.copy_(torch.arange(12) / 4)
    return head.eval()


def states(text):
    offsets = np.asarray([m.span() for m in WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)
    return TokenStates(offsets, {"hidden@1": torch.ones(len(offsets), WIDTH)}, None)


def mention_texts(head, text):
    return [mention.text for mention in head.mentions(text, states(text))]


@pytest.mark.parametrize("text", TEXTS)
def test_no_mention_crosses_a_sentence_or_line_boundary(accept_all_head, text):
    names = mention_texts(accept_all_head, text)
    assert names
    assert not any("\n" in name for name in names)
    for across in ("language. C", "world.\nThe", "Milan\r\nOslo", "? Because", ") Bo"):
        assert not any(across in name for name in names)


def test_full_sentence_is_a_candidate_span(accept_all_head):
    names = mention_texts(accept_all_head, "Hello, world.\nThe C++ language")
    assert "Hello, world." in names
    assert "The C++ language" in names


def test_no_mention_begins_with_closing_punctuation(accept_all_head):
    names = mention_texts(accept_all_head, "Bayern vs. FC Kärnten , 2 : 1 .")
    assert names
    assert not [name for name in names if name[0] in ".,:"]
    # Attached to the word, it is part of it.
    assert ".NET Core" in mention_texts(accept_all_head, ".NET Core")


def test_mention_drops_leading_punctuation_and_keeps_its_score():
    head = SpanHead(["hidden@1"], WIDTH, hidden=8, max_words=12, threshold=0.6)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.lengths[2] = 2.0  # three words are a mention, two are not
    (mention,) = head.eval().mentions(". Red Bull", states(". Red Bull"))
    assert (mention.text, mention.start) == ("Red Bull", 2)
    assert mention.score == pytest.approx(1 / (1 + np.exp(-2.0)))


@pytest.mark.parametrize(
    "name",
    ["St. Clair", "F.C. Red Bull", "J. R. R. Tolkien", "Dr. No", "Kramer vs. Kramer", "Sen. Reed"],
)
def test_period_inside_a_name_does_not_split_it(accept_all_head, name):
    assert name in mention_texts(accept_all_head, name)


def test_mentions_do_not_depend_on_the_batch(accept_all_head):
    with torch.no_grad():
        for parameter in accept_all_head.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(0))
    texts = [*TEXTS, "", "One."]
    together = accept_all_head.mentions_of(texts, [states(text) for text in texts])
    alone = [accept_all_head.mentions(text, states(text)) for text in texts]
    for some, same in zip(together, alone, strict=True):
        assert [(m.start, m.end) for m in some] == [(m.start, m.end) for m in same]
        assert [m.score for m in some] == pytest.approx([m.score for m in same], abs=1e-5)
    assert any(together)
    assert together[-2] == []
