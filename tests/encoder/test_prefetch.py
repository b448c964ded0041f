"""Prefetching: the order of results, the threads that work, and cleanup at the end."""

import threading
import time

import numpy as np
import pytest
import torch

from ner_retriever_rag.encoder import encoding
from ner_retriever_rag.encoder.backbone import Backbone
from ner_retriever_rag.encoder.prefetch import prefetch, threads_of


def test_results_are_in_order_however_long_items_take():
    def slow_for_even(n):
        time.sleep(0.01 * (n % 2 == 0))
        return n * n

    assert list(prefetch(slow_for_even, range(20), 3)) == [(n, n * n) for n in range(20)]


@pytest.mark.parametrize("items", [[], [7]])
def test_single_item_starts_no_thread(items):
    here = threading.current_thread()
    assert list(prefetch(lambda _: threading.current_thread(), items, 2)) == [
        (n, here) for n in items
    ]


def test_items_are_processed_concurrently():
    together = threading.Barrier(2, timeout=10)
    assert len(list(prefetch(lambda _: together.wait(), range(4), 2))) == 4


def test_few_items_are_taken_in_advance():
    taken = []
    found = prefetch(str, (taken.append(n) or n for n in range(100)), 2)
    assert next(found) == (0, "0")
    assert len(taken) == 4


def test_threads_share_the_cores_and_the_caller_keeps_its_setting():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        # After a product: torch sets the number of a new thread only when it first computes.
        def cores(_):
            torch.ones(600, 600) @ torch.ones(600, 600)
            return torch.get_num_threads()

        assert {found for _, found in prefetch(cores, range(6), 2)} == {2}
        assert torch.get_num_threads() == 4
        later = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [4]
    finally:
        torch.set_num_threads(before)


def test_failure_is_raised_when_its_item_is_due():
    def third(n):
        if n == 2:
            raise ValueError("the third")
        return n

    found = prefetch(third, range(10), 2)
    assert [next(found), next(found)] == [(0, 0), (1, 1)]
    with pytest.raises(ValueError, match="the third"):
        next(found)


@pytest.mark.parametrize("good", [0, 1, 2, 5])
def test_results_before_a_failure_of_the_source_are_returned(good):
    def broken():
        yield from range(good)
        raise OSError("the source is gone")

    found = prefetch(str, broken(), 2)
    assert [next(found)[0] for _ in range(good)] == list(range(good))
    with pytest.raises(OSError, match="the source is gone"):
        next(found)


def test_no_thread_is_left_if_the_caller_stops():
    begun = []
    found = prefetch(lambda n: begun.append(n) or time.sleep(0.01), range(1_000), 2)
    next(found)
    found.close()
    assert len(begun) <= 4
    assert not [each for each in threading.enumerate() if each.name.startswith("encode")]


def test_cpu_gets_up_to_four_threads_and_gpu_one(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert (threads_of(torch.device("cpu")), threads_of(torch.device("cuda"))) == (3, 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert threads_of(torch.device("cpu")) == 4


def test_worker_threads_start_no_further_threads():
    cpu = torch.device("cpu")
    before = threads_of(cpu)
    assert [found for _, found in prefetch(lambda _: threads_of(cpu), range(4), 2)] == [1] * 4
    assert threads_of(cpu) == before


@pytest.mark.parametrize(("texts", "shares"), [(16, [16]), (17, [16, 1]), (60, [30, 30])])
def test_few_texts_are_divided_among_threads(tiny_encoder, monkeypatch, texts, shares):
    read, encode_some = [], tiny_encoder._encode_some
    monkeypatch.setattr(type(tiny_encoder), "threads", 2)
    monkeypatch.setattr(
        tiny_encoder,
        "_encode_some",
        lambda some, known: read.append(len(some)) or encode_some(some, known),
    )
    assert len(tiny_encoder.encode(["Lima lies in Peru."] * texts)) == texts
    assert sorted(read, reverse=True) == shares


def test_vectors_do_not_depend_on_the_number_of_threads(shipped_encoder, monkeypatch):
    texts = [f"{n} people left {place} for Rome." for n, place in enumerate(["Oslo", "Lima"] * 20)]
    monkeypatch.setattr(encoding, "_MIN_TASK_TEXTS", len(texts))
    whole = shipped_encoder.encode(texts)
    monkeypatch.setattr(encoding, "MAX_TASK_TEXTS", 3)
    for one, other in zip(shipped_encoder.encode(texts), whole, strict=True):
        assert [m.text for m in one.mentions] == [m.text for m in other.mentions]
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-4)
        np.testing.assert_allclose(one.text_vector, other.text_vector, atol=1e-5)


@pytest.mark.parametrize("unknown_code", [False, True])
def test_remote_code_runs_in_one_thread_at_a_time(tiny_checkpoint, unknown_code):
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
    list(prefetch(lambda text: list(backbone.read([text])), ["Oslo", "Lima", "Rome", "Nile"], 2))
    assert max(most) == (1 if unknown_code else 2)


def test_progress_counts_texts(tiny_encoder, monkeypatch, capsys):
    monkeypatch.setattr(encoding, "MAX_TASK_TEXTS", 2)
    tiny_encoder.encode(["Oslo", "Lima", "Rome"], progress=True)
    assert "3/3" in capsys.readouterr().err
