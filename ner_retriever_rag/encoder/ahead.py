"""Encoding ahead: threads encode what comes next while the caller writes what came before.

Two threads with a core each encode a tenth more texts than one thread whose every product is cut
into two: most products of a small backbone are over before a second core has begun on them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

_MOST = 4  # threads; with more, Python itself, one thread at a time, would hold them up

T = TypeVar("T")
S = TypeVar("S")

_starting = threading.Lock()
_own = threading.local()  # of a thread that encodes: it opens no others


def threads_of(device: torch.device) -> int:
    """How many threads encode at once: an accelerator has one that feeds it."""
    import torch

    if device.type != "cpu" or getattr(_own, "encodes", False):
        return 1
    return min(_MOST, torch.get_num_threads())


def ahead(work: Callable[[S], T], items: Iterable[S], threads: int) -> Iterator[tuple[S, T]]:
    """Items and what work makes of them, in order.

    As many items as there are threads, and two more, are taken before the first is given back. One
    item alone is worked on in the caller's own thread, with all cores.

    Args:
        work: Called in threads of its own.
        items: Taken in the caller's thread.
        threads: How many work at once; they share the cores that torch has.

    Raises:
        Exception: What work raises, in its item's turn; what taking an item raises, once all items
            before it have been given back.
    """
    failed: list[Exception] = []

    def taken() -> Iterator[S]:
        try:
            yield from items
        except Exception as error:
            failed.append(error)

    source = taken()
    first = list(islice(source, 2))
    if len(first) < 2:
        yield from ((item, work(item)) for item in first)
    else:
        with _pool(threads) as pool:
            waiting: deque[tuple[S, Future[T]]] = deque()
            for item in chain(first, source):
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > threads + 1:  # so that none waits for the caller
                    item, future = waiting.popleft()
                    yield item, future.result()
            for item, future in waiting:
                yield item, future.result()
    if failed:
        raise failed[0]


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share the cores; at the end what has not begun is dropped, the rest waited for.

    torch's number of threads is each thread's own, but the one set last is what new ones begin
    with, when they first ask: so they ask, and it is set back.
    """
    import torch

    with _starting:
        cores = torch.get_num_threads()
        begun = threading.Barrier(threads + 1)

        def begin() -> None:
            torch.get_num_threads()  # asks
            torch.set_num_threads(max(1, cores // threads))
            _own.encodes = True
            begun.wait()

        pool = ThreadPoolExecutor(threads, "encode", initializer=begin)
        for _ in range(threads):  # none is idle before all have begun
            pool.submit(int)
        begun.wait()
        torch.set_num_threads(cores)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
