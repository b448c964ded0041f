import numpy as np
import pytest
import torch
from tiny import byte_level_tokenizer, word_piece_tokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.windows import (
    batch_by_tokens,
    padded_length,
    special_tokens,
    split_windows,
    tokenize,
    trim_spaces,
)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 19, 57, 100])
@pytest.mark.parametrize("overlap", [0, 1, 4, 9])
def test_every_token_is_owned_once_and_window_size_is_bounded(length, overlap):
    windows = list(split_windows(3, length, 10, overlap))
    owned = [token for window in windows for token in range(window.own_start, window.own_end)]
    assert owned == list(range(length))
    for window in windows:
        assert window.text == 3
        assert len(window) <= 10
        assert window.start <= window.own_start <= window.own_end <= window.end


def test_tokens_near_a_window_boundary_have_context_on_both_sides():
    windows = list(split_windows(0, 100, 20, 8))
    for window in windows:
        if window.start > 0:
            assert window.own_start - window.start >= 4
        if window.end < 100:
            assert window.end - window.own_end >= 4


def test_batches_hold_every_window_within_the_budget():
    windows = [
        window for text, length in enumerate([3, 40, 7, 7, 1, 22]) for window in
        split_windows(text, length, 16, 4)
    ]  # fmt: skip
    batches = list(batch_by_tokens(windows, 32))
    assert sorted(map(id, sum(batches, []))) == sorted(map(id, windows))
    for batch in batches:
        assert len(batch) * max(map(len, batch)) <= 32
    longest = [max(map(len, batch)) for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_window_above_the_budget_is_its_own_batch():
    windows = list(split_windows(0, 30, 16, 4))
    assert [len(batch) for batch in batch_by_tokens(windows, 8)] == [1] * len(windows)


@pytest.mark.parametrize("make", [word_piece_tokenizer, byte_level_tokenizer])
def test_tokens_are_a_texts_own_and_all_of_them(make):
    tokenizer = make()
    tokenizer.model_max_length = 8  # a long text is split into windows later, not here
    texts = ["Oslo is big.", "Oslo " * 40, "Łódź 🎉"]
    for text, tokens in zip(texts, tokenize(tokenizer, texts), strict=True):
        assert tokens.ids.dtype == tokens.offsets.dtype == np.int64
        assert tokens.offsets.shape == (len(tokens.ids), 2)
        assert not set(tokens.ids.tolist()) & {tokenizer.cls_token_id, tokenizer.pad_token_id}
        covered = {n for start, end in tokens.offsets.tolist() for n in range(start, end)}
        assert covered == {n for n, char in enumerate(text) if not char.isspace()}


def test_leading_space_is_not_part_of_a_token():
    text = "a  bc \n d"
    offsets = np.array([[0, 1], [1, 5], [5, 7], [7, 9], [9, 9]])
    spans = [tuple(row) for row in trim_spaces(offsets, text).tolist()]
    assert [text[start:end] for start, end in spans] == ["a", "bc", "", "d", ""]


def piece_tokenizer(**parts):
    """A tokenizer like SentencePiece: each word, also the first, has a leading space."""
    vocabulary = {"<s>": 0, "</s>": 1, "▁a": 2, "a": 3}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_special_tokens_are_distinguished_from_text_tokens():
    bert = word_piece_tokenizer()
    assert special_tokens(bert) == ([bert.cls_token_id], [bert.sep_token_id])
    assert special_tokens(byte_level_tokenizer()) == ([], [])
    template = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    assert special_tokens(piece_tokenizer(post_processor=template)) == ([0], [1])
    only_before = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    assert special_tokens(piece_tokenizer(post_processor=only_before)) == ([0], [])
    # The text's own first token equals the special one before it.
    unknown = piece_tokenizer(post_processor=template, normalizer=normalizers.Replace("a", "b"))
    assert special_tokens(unknown) == ([0], [1])


def test_tokenizer_that_drops_the_text_is_refused():
    nothing = piece_tokenizer(normalizer=normalizers.Replace("a", ""))
    with pytest.raises(ValueError, match="makes .* of a one-letter text: .* is ambiguous"):
        special_tokens(nothing)


@pytest.mark.parametrize(
    ("longest", "limit", "padded"),
    [(1, 512, 1), (95, 512, 95), (96, 512, 96), (97, 512, 112), (130, 512, 144), (505, 510, 510)],
)
def test_batches_of_long_texts_are_padded_to_multiples_of_16(longest, limit, padded):
    assert padded_length(longest, limit) == padded


def test_padding_does_not_change_the_states(tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("ner_retriever_rag.encoder.backbone.windows._SHORT", 8)
    backbone = Backbone(tiny_checkpoint, "hidden@2", dtype="float32", window=60)
    run, widths = backbone.forward, []

    def watched(ids, mask):
        widths.append(ids.shape[1])
        return run(ids, mask)

    monkeypatch.setattr(backbone, "forward", watched)
    for words in (3, 20, 58):
        text = " ".join(["Oslo"] * words)
        (tokens,) = tokenize(backbone.tokenizer, [text])
        (states,) = backbone.read([text])
        ids = torch.tensor([[*backbone._prefix, *tokens.ids, *backbone._suffix]])
        (alone,) = run(ids, torch.ones_like(ids)).values()
        torch.testing.assert_close(states.taps["hidden@2"], alone[0, 1:-1], atol=1e-5, rtol=0)
    assert widths == [5, 32, 60]
