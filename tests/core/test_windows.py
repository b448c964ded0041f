import numpy as np
import pytest

from ner_retriever_rag.encoder.backbone.windows import batch_by_tokens, split_windows, trim_spaces


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 19, 57, 100])
@pytest.mark.parametrize("overlap", [0, 1, 4, 9])
def test_every_token_is_owned_once_and_windows_stay_small(length, overlap):
    windows = list(split_windows(3, length, 10, overlap))
    owned = [token for window in windows for token in range(window.own_start, window.own_end)]
    assert owned == list(range(length))
    for window in windows:
        assert window.text == 3
        assert len(window) <= 10
        assert window.start <= window.own_start <= window.own_end <= window.end


def test_tokens_near_a_seam_see_context_on_both_sides():
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


def test_a_window_above_the_budget_goes_alone():
    windows = list(split_windows(0, 30, 16, 4))
    assert [len(batch) for batch in batch_by_tokens(windows, 8)] == [1] * len(windows)


def test_leading_space_is_not_part_of_a_token():
    text = "a  bc \n d"
    offsets = np.array([[0, 1], [1, 5], [5, 7], [7, 9], [9, 9]])
    spans = [tuple(row) for row in trim_spaces(offsets, text).tolist()]
    assert [text[start:end] for start, end in spans] == ["a", "bc", "", "d", ""]
