"""Where an index's data are: a folder, memory or a server, and this process's hold on it.

Indexes of one process in one folder share one lock, and one turn at writing: Chroma itself keeps
one database for each path in a process.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ner_retriever_rag.storage import chroma, graph_files
from ner_retriever_rag.storage.graph_files import DamagedFilesError
from ner_retriever_rag.storage.lock import FolderLock
from ner_retriever_rag.storage.retry import is_unavailable, unavailable

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


@dataclass(slots=True)
class _Held:
    """What the indexes of this process share that are in one place.

    Attributes:
        path: The folder as it was first given; None in memory and on a server.
        lock: This process's hold on the folder.
        turn: Held by the thread that writes.
        places: How many indexes there are.
        writers: Those that have written.
        turns: How often a thread has begun to write.
        settled: The token of the store that knows what is in each index, and since which turn.
    """

    path: Path | None = None
    lock: FolderLock | None = None
    turn: threading.RLock = field(default_factory=threading.RLock)
    places: int = 0
    writers: set[int] = field(default_factory=set)
    turns: int = 0
    settled: dict[str, tuple[object, int] | None] = field(default_factory=dict)


_MEMORY = "memory"
_LITTLE_ROOM = 8 << 20  # bytes on a disk that Chroma may have no room to work with
_AFTER_FORK = (
    "an index was opened before a fork: the threads it runs on are not in the child, nor can "
    "others be started there; open the index in the child and only there, or start processes "
    "with multiprocessing's method spawn"
)
_held: dict[Path | str, _Held] = {}
_registry = threading.RLock()  # not a plain lock: the collector may close an index at any line
_used = False  # whether this process has had Chroma running
_orphaned = False  # whether this process was forked from one that had Chroma running


class Place:
    """One index's hold on its data: opened once, closed once.

    Args:
        path: Folder, or address of a Chroma server; None for memory.
        client: A Chroma client instead of a path.
        closing: Close the client given together with the place.
        thorough: Look at all of a folder's files when opening it, not at their sizes only.
        mending: Take the folder for this process alone when opening it, and set damaged files
            aside instead of refusing them.
        max_batch: Most records of one call, where the server has such a limit.

    Raises:
        TypeError: If the client is not a Chroma client that answers at once.
        ValueError: If the folder holds something else.
        OSError: If the folder cannot be made or written, or no server answers.

    Attributes:
        client: The Chroma client; set by ``opening``.
        folder: The folder; None in memory and on a server.
        alone: Whether nobody else can write while this process does.
        damaged: The files that were set aside, and what was wrong with them.
        max_batch: As given.
    """

    client: ClientAPI

    def __init__(
        self,
        path: str | Path | None,
        client: ClientAPI | None = None,
        *,
        closing: bool = False,
        thorough: bool = False,
        mending: bool = False,
        max_batch: int | None = None,
    ) -> None:
        self._thorough, self._mending, self.max_batch = thorough, mending, max_batch
        self.damaged: dict[str, str] = {}
        self._pid, self._address, self._owned = os.getpid(), None, client is None
        if client is not None:
            self.client = client
            self.folder = chroma.folder_of(client)
        elif chroma.is_address(path):
            self._address, self.folder = str(path), None
        else:
            self.folder = None if path is None else chroma.made(Path(path))
        in_memory = path is None and client is None
        self.alone = in_memory or self.folder is not None
        key = self.folder.resolve() if self.folder else _MEMORY if in_memory else None
        with _registry:
            self._held = _Held(self.folder) if key is None else _held.setdefault(key, _Held())
            if self._held.path is None:
                self._held.path = self.folder
            self._held.places += 1
        closed = [client] if client is not None and closing else []
        self._finish = weakref.finalize(self, _close, self._held, key, id(self), self._pid, closed)
        self._key = key

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Take hold of the place, and keep other processes from opening it meanwhile.

        The first that reads a database brings it up to date with its log, which is for one process
        at a time: the caller should do so here.

        Raises:
            RuntimeError: If another process writes to the folder, its files are damaged, or this
                process was forked from one that had an index open.
        """
        global _used
        try:
            if _orphaned and self.alone:
                raise RuntimeError(_AFTER_FORK)
            _used = _used or self.alone
            with _registry, self._gate():
                lock = self._held.lock
                first = self.folder is not None and lock is None
                if self.folder is not None and lock is None:
                    lock = FolderLock(self.folder)
                    lock.share()
                    self._held.lock = lock
                    if self._mending:
                        lock.exclude("repairs")
                    self._see_that_files_are_whole(self._thorough or self._mending)
                if self._owned:
                    self.client = chroma.connect(self._address or self._held.path)
                    self._finish.detach()
                    self._finish = weakref.finalize(
                        self, _close, self._held, self._key, id(self), self._pid, [self.client]
                    )
                if first and not self._mending and chroma.is_interrupted(self.client):
                    self._see_that_files_are_whole(thorough=True)
                yield
        except BaseException as error:
            self.close()
            if is_unavailable(error):
                raise unavailable(self.client, error) from error
            raise
        _opened.add(self)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out: threads wait for each other, processes are refused.

        The first write takes the folder from all other processes, until the index is closed.

        Raises:
            RuntimeError: If other processes have the folder open.
        """
        self.check()
        with self._held.turn:
            lock = self._held.lock
            if lock is not None and not lock.exclusive:
                with _registry, lock.gate():
                    lock.exclude()
            self._held.writers.add(id(self))
            self._held.turns += 1
            with self._write_errors():
                yield

    def check(self) -> None:
        """See that the place can be used.

        Raises:
            RuntimeError: If it is closed, or was opened before a fork.
            FileNotFoundError: If its folder is gone.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(_AFTER_FORK)
        if not self._finish.alive:
            raise RuntimeError("the index is closed")
        if self.folder is not None and not (self.folder / chroma.DATABASE).exists():
            raise FileNotFoundError(f"the index folder {self.folder} is gone")

    def is_settled(self, name: str, store: object) -> bool:
        """Whether a store knows what is in an index, and need not look for what others left over.

        It does since it last said so, where nobody else can have written since; on a server, within
        one turn at writing.

        Args:
            name: The index.
            store: The store's token.
        """
        settled = self._held.settled.get(name)
        if settled is None or settled[0] is not store:
            return False
        return self.alone or settled[1] == self._held.turns

    def settle(self, name: str, store: object | None) -> None:
        """Note which store knows what is in an index.

        Args:
            name: The index.
            store: The store's token; None for no store, as after a write that failed.
        """
        self._held.settled[name] = None if store is None else (store, self._held.turns)

    def why_unreadable(self) -> str:
        """What keeps Chroma from reading what is there, as far as one can tell, and what helps."""
        # What was written is in Chroma's log; to read it Chroma writes it into its tables first.
        if self.folder is not None and (room := shutil.disk_usage(self.folder).free) < _LITTLE_ROOM:
            return (
                f"only {room // 1024} KiB are left on its disk, and reading needs some: nothing "
                "that was reported as written is lost, make room and open the index again"
            )
        return (
            "if no other process writes to it, its files are damaged: "
            "ner-retriever check DIR --repair"
        )

    def close(self) -> None:
        """Let go of it. Closing what is closed does nothing."""
        self._finish()

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        """Say what a failed write means; Chroma tells of a full disk in SQLite's words."""
        from chromadb.errors import InternalError

        try:
            yield
        except InternalError as error:
            raise RuntimeError(
                f"the index{f' in {self.folder}' if self.folder else ''} could not be written: "
                f"{error}. What was reported as written before is kept; see that there is room, "
                "close the index, open it again and repeat the call"
            ) from error

    def _see_that_files_are_whole(self, thorough: bool) -> None:
        assert self.folder is not None
        damaged = graph_files.damaged(self.folder, thorough=thorough)
        if self._mending:
            graph_files.set_aside(self.folder, list(damaged))
            self.damaged |= damaged
        elif damaged:
            raise DamagedFilesError(self.folder, damaged)

    def _gate(self) -> Any:
        return FolderLock(self.folder).gate() if self.folder else nullcontext()


_opened: weakref.WeakSet[Place] = weakref.WeakSet()


def _close(
    held: _Held, key: Path | str | None, place: int, pid: int, clients: list[ClientAPI]
) -> None:
    """Close a place's own client, and give back the lock with the last one that needs it."""
    if os.getpid() != pid:
        return
    with _registry:
        for client in clients:
            client.close()  # type: ignore[attr-defined]  # clients have it, their protocol not yet
        held.places -= 1
        held.writers.discard(place)
        if held.places == 0 and key is not None:
            _held.pop(key, None)
        if held.lock is not None and held.places == 0:
            held.lock.release()
        elif held.lock is not None and held.lock.exclusive and not held.writers:
            held.lock.relax()


def _after_fork() -> None:
    """Leave a child nothing of its parent's: no lock, and a note that Chroma is of no use there."""
    global _registry, _orphaned
    _registry = threading.RLock()
    _orphaned = _orphaned or _used
    for held in _held.values():
        if held.lock is not None:
            held.lock.forget()
    _held.clear()
    for place in list(_opened):
        # Never taken down, not even at the child's end: that would wait for threads it has not.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(place.client))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
