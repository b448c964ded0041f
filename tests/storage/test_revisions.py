"""Revisions read in one thread while another writes."""

import sys
import threading

import pytest

from ner_retriever_rag.storage.revisions import Revisions


class FakeCollection:
    """The part of a collection that revisions use."""

    def __init__(self):
        self._held = {}

    def metadata(self):
        return dict(self._held)

    def set_metadata(self, metadata):
        self._held = metadata


@pytest.fixture
def fast_thread_switching():
    """Make threads switch as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_touched_since_works_while_another_thread_writes(fast_thread_switching):
    revisions = Revisions(FakeCollection())
    revisions.mark(["first"])
    begun = revisions.current()
    errors, done = [], threading.Event()

    def ask():
        while not done.is_set():
            try:
                touched = revisions.touched_since(begun)
                assert touched is None or touched <= {f"d{n}" for n in range(2_000)}
            except Exception as error:
                errors.append(error)
                return

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for n in range(2_000):
        revisions.mark([f"d{n}"])
    done.set()
    for thread in asking:
        thread.join()
    assert not errors, errors[0]
