"""Prefetching: threads encode the next texts while the caller writes the previous ones.

Two threads with one core each encode a tenth more texts than one thread that splits every matrix
product over two cores: most products of a small backbone finish before a second core has started.
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

_MOST = 4  # threads; with more, the GIL becomes the bottleneck

T = TypeVar("T")
S = TypeVar("S")

_starting = threading.Lock()
_own = threading.local()  # marks a worker thread, which starts no workers itself


def threads_of(device: torch.device) -> int:
    """Number of encoding threads for a device; an accelerator is fed by a single thread."""
    import torch

    if device.type != "cpu" or getattr(_own, "encodes", False):
        return 1
    return min(_MOST, torch.get_num_threads())


def prefetch(work: Callable[[S], T], items: Iterable[S], threads: int) -> Iterator[tuple[S, T]]:
    """Apply ``work`` to items in threads; yield items and results in order.

    ``threads + 2`` items are taken before the first result is yielded. A single item is processed
    in the caller's own thread, with all cores.

    Args:
        work: Called in worker threads.
        items: Iterated in the caller's thread.
        threads: Number of worker threads; they share torch's cores.

    Raises:
        Exception: Whatever ``work`` raises, when its item is due; whatever iterating ``items``
            raises, after all earlier items have been yielded.
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
                if len(waiting) > threads + 1:  # so that no worker waits for the caller
                    item, future = waiting.popleft()
                    yield item, future.result()
            for item, future in waiting:
                yield item, future.result()
    if failed:
        raise failed[0]


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Thread pool that shares the cores; on exit, pending work is canceled, running work awaited.

    torch's number of threads is per thread, but new threads start with the value set last, as of
    their first query. So each worker queries it before setting its own, and then the caller's
    value is restored.
    """
    import torch

    with _starting:
        cores = torch.get_num_threads()
        begun = threading.Barrier(threads + 1)

        def begin() -> None:
            torch.get_num_threads()  # the first query
            torch.set_num_threads(max(1, cores // threads))
            _own.encodes = True
            begun.wait()

        pool = ThreadPoolExecutor(threads, "encode", initializer=begin)
        for _ in range(threads):  # no worker is idle before all have started
            pool.submit(int)
        begun.wait()
        torch.set_num_threads(cores)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
