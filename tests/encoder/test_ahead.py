"""Working ahead: what comes back in which order, who works, and what is left when it ends."""

import threading
import time

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder import encoding
from ner_retriever_rag.encoder.ahead import ahead, threads_of
from ner_retriever_rag.encoder.backbone import Backbone


def test_everything_in_order_however_long_it_takes():
    def slow_for_even(n):
        time.sleep(0.01 * (n % 2 == 0))
        return n * n

    assert list(ahead(slow_for_even, range(20), 3)) == [(n, n * n) for n in range(20)]


@pytest.mark.parametrize("items", [[], [7]])
def test_one_item_needs_no_thread(items):
    here = threading.current_thread()
    assert list(ahead(lambda _: threading.current_thread(), items, 2)) == [(n, here) for n in items]


def test_several_are_worked_on_at_once():
    together = threading.Barrier(2, timeout=10)
    assert len(list(ahead(lambda _: together.wait(), range(4), 2))) == 4


def test_few_are_taken_before_they_are_asked_for():
    taken = []
    found = ahead(str, (taken.append(n) or n for n in range(100)), 2)
    assert next(found) == (0, "0")
    assert len(taken) == 4


def test_threads_share_the_cores_and_the_caller_keeps_its_own():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        # After a product: torch sets the number of a thread that never asked when it computes.
        def cores(_):
            torch.ones(600, 600) @ torch.ones(600, 600)
            return torch.get_num_threads()

        assert {found for _, found in ahead(cores, range(6), 2)} == {2}
        assert torch.get_num_threads() == 4
        later = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [4]
    finally:
        torch.set_num_threads(before)


def test_a_failure_comes_in_its_turn():
    def third(n):
        if n == 2:
            raise ValueError("the third")
        return n

    found = ahead(third, range(10), 2)
    assert [next(found), next(found)] == [(0, 0), (1, 1)]
    with pytest.raises(ValueError, match="the third"):
        next(found)


@pytest.mark.parametrize("good", [0, 1, 2, 5])
def test_what_came_before_an_item_that_cannot_be_taken_is_given_back(good):
    def broken():
        yield from range(good)
        raise OSError("the source is gone")

    found = ahead(str, broken(), 2)
    assert [next(found)[0] for _ in range(good)] == list(range(good))
    with pytest.raises(OSError, match="the source is gone"):
        next(found)


def test_a_caller_that_stops_leaves_no_thread():
    begun = []
    found = ahead(lambda n: begun.append(n) or time.sleep(0.01), range(1_000), 2)
    next(found)
    found.close()
    assert len(begun) <= 4
    assert not [each for each in threading.enumerate() if each.name.startswith("encode")]


def test_as_many_threads_as_cores_on_a_processor_and_one_for_a_card(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert (threads_of(torch.device("cpu")), threads_of(torch.device("cuda"))) == (3, 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert threads_of(torch.device("cpu")) == 4


def test_a_thread_that_encodes_opens_no_others():
    cpu = torch.device("cpu")
    before = threads_of(cpu)
    assert [found for _, found in ahead(lambda _: threads_of(cpu), range(4), 2)] == [1] * 4
    assert threads_of(cpu) == before


@pytest.mark.parametrize(("texts", "shares"), [(16, [16]), (17, [16, 1]), (60, [30, 30])])
def test_each_thread_gets_its_share_of_a_few_texts(tiny_encoder, monkeypatch, texts, shares):
    read, encode_some = [], tiny_encoder._encode_some
    monkeypatch.setattr(type(tiny_encoder), "threads", 2)
    monkeypatch.setattr(
        tiny_encoder,
        "_encode_some",
        lambda some, known: read.append(len(some)) or encode_some(some, known),
    )
    assert len(tiny_encoder.encode(["Lima lies in Peru."] * texts)) == texts
    assert sorted(read, reverse=True) == shares


def test_texts_in_many_threads_are_as_in_one(default, monkeypatch):
    texts = [f"{n} people left {place} for Rome." for n, place in enumerate(["Oslo", "Lima"] * 20)]
    monkeypatch.setattr(encoding, "_TEXTS_ALONE", len(texts))
    whole = default.encode(texts)
    monkeypatch.setattr(encoding, "TEXTS_TOGETHER", 3)
    for one, other in zip(default.encode(texts), whole, strict=True):
        assert [m.text for m in one.mentions] == [m.text for m in other.mentions]
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-4)
        np.testing.assert_allclose(one.text_vector, other.text_vector, atol=1e-5)


@pytest.mark.parametrize("unknown_code", [False, True])
def test_code_that_nobody_knows_runs_in_one_thread_at_a_time(tiny_checkpoint, unknown_code):
    backbone = Backbone(tiny_checkpoint, "hidden@2", device="cpu", trust_remote_code=unknown_code)
    inside, most, run = [], [], backbone._reader.run

    def noted(**inputs):
        inside.append(1)
        time.sleep(0.05)
        most.append(len(inside))
        found = run(**inputs)
        inside.pop()
        return found

    backbone._reader.run = noted
    list(ahead(lambda text: list(backbone.read([text])), ["Oslo", "Lima", "Rome", "Nile"], 2))
    assert max(most) == (1 if unknown_code else 2)


def test_progress_counts_texts(tiny_encoder, monkeypatch, capsys):
    monkeypatch.setattr(encoding, "TEXTS_TOGETHER", 2)
    tiny_encoder.encode(["Oslo", "Lima", "Rome"], progress=True)
    assert "3/3" in capsys.readouterr().err
