"""Where an index's data is (a folder, memory or a server), and this process's lock on it.

Indexes that one process has open in one folder share a single lock and a single write turn: Chroma
itself keeps one database per path in a process.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ner_retriever_rag.storage import chroma, crash_probe, graph_files
from ner_retriever_rag.storage.chroma_log import StuckLogError, StuckRecord, stuck, unstick
from ner_retriever_rag.storage.graph_files import DamagedFilesError
from ner_retriever_rag.storage.lock import FolderLock
from ner_retriever_rag.storage.retry import is_unavailable, unavailable
from ner_retriever_rag.storage.roles import DATABASE, is_interrupted

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


@dataclass(slots=True)
class _Shared:
    """State shared by this process's indexes in one place.

    Attributes:
        path: The folder as Chroma knows it, for a client as it was given to the client; None in
            memory and on a server.
        lock: This process's lock on the folder.
        turn: Held by the thread that writes.
        mutation_lock: Held by that thread while documents are in an intermediate state.
        places: Number of open indexes.
        writers: Ids of those that have written.
        turns: How often a thread has begun to write.
        settled: By index, the token of the store that knows its content, and since which turn.
    """

    path: Path | None = None
    lock: FolderLock | None = None
    turn: threading.RLock = field(default_factory=threading.RLock)
    mutation_lock: threading.RLock = field(default_factory=threading.RLock)
    places: int = 0
    writers: set[int] = field(default_factory=set)
    turns: int = 0
    settled: dict[str, tuple[object, int] | None] = field(default_factory=dict)


_MEMORY = "memory"
_MIN_FREE_BYTES = 8 << 20  # free bytes on a disk below which Chroma may be unable to work
_AFTER_FORK = (
    "an index was opened before a fork: its threads do not exist in the child and cannot be "
    "started there; open the index in the child only, or start processes with multiprocessing's "
    "spawn method"
)
_shared: dict[Path | str, _Shared] = {}
_registry = threading.RLock()  # reentrant: garbage collection may close an index at any line
_used = False  # whether this process has run Chroma
_orphaned = False  # whether this process was forked from one that had run Chroma


class Place:
    """One index's access to its data: opened once, closed once.

    Args:
        path: Folder, or address of a Chroma server; None for memory.
        client: A Chroma client instead of a path.
        closing: Whether to close the given client together with the place.
        thorough: Collections to read completely, in a separate process, when opening a folder; all
            graph files are then checked node by node. None checks only the files' sizes.
        repair: Lock the folder exclusively when opening it, and set damaged files aside instead of
            raising.
        max_batch: Most records per call, if the server has such a limit.

    Raises:
        TypeError: If the client is not a synchronous Chroma client.
        ValueError: If the folder holds something else.
        OSError: If the folder cannot be created or written, or no server answers.

    Attributes:
        client: The Chroma client; set by ``opening``.
        folder: The folder; None in memory and on a server.
        alone: Whether this process is the only one that can write.
        damaged: The files that were set aside, and what was wrong with them.
        unstuck: The records in Chroma's log that it could not write but now can.
        max_batch: As given.
    """

    client: ClientAPI

    def __init__(
        self,
        path: str | Path | None,
        client: ClientAPI | None = None,
        *,
        closing: bool = False,
        thorough: Sequence[str] | None = None,
        repair: bool = False,
        max_batch: int | None = None,
    ) -> None:
        self._thorough, self._repair, self.max_batch = thorough, repair, max_batch
        self.damaged: dict[str, str] = {}
        self.unstuck: list[StuckRecord] = []
        self._database: tuple[int, int] | None = None
        self._pid, self._address, self._owned = os.getpid(), None, client is None
        if client is not None:
            self.client = client
            given = chroma.folder_of(client)
            self.folder = None if given is None else given.absolute()
        elif chroma.is_address(path):
            self._address, self.folder, given = str(path), None, None
        else:
            # Absolute: the process may change its working directory while the index is open.
            given = self.folder = (
                None if path is None else chroma.ensure_folder(Path(path).absolute())
            )
        in_memory = path is None and client is None
        self.alone = in_memory or self.folder is not None
        key = self.folder.resolve() if self.folder else _MEMORY if in_memory else None
        with _registry:
            self._shared = _Shared(given) if key is None else _shared.setdefault(key, _Shared())
            if self._shared.path is None:
                self._shared.path = given
            self._shared.places += 1
        closed = [client] if client is not None and closing else []
        self._finish = weakref.finalize(
            self, _close, self._shared, key, id(self), self._pid, closed
        )
        self._key = key

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Open the place, and keep other processes from opening it meanwhile.

        The first reader of a database makes Chroma apply its log, which is for one process at a
        time: the caller should do that read within this context.

        Raises:
            RuntimeError: If another process writes to the folder, its files are damaged, or this
                process was forked from one that had an index open.
        """
        global _used
        try:
            if _orphaned and self.alone:
                raise RuntimeError(_AFTER_FORK)
            _used = _used or self.alone
            with _registry, self.gate():
                lock = self._shared.lock
                first = self.folder is not None and lock is None
                if self.folder is not None and lock is None:
                    lock = FolderLock(self.folder)
                    lock.share()
                    self._shared.lock = lock
                    if self._repair:
                        lock.exclude("repairs")
                        self.unstuck = unstick(self.folder)
                    self._check_files(thorough=self._thorough is not None)
                if self._owned:
                    self.client = chroma.connect(self._address or self._path())
                    self._finish.detach()
                    self._finish = weakref.finalize(
                        self, _close, self._shared, self._key, id(self), self._pid, [self.client]
                    )
                self._database = self._database_now()
                if first and self._thorough is None and is_interrupted(self.client):
                    self._check_files(thorough=True)
                yield
        except BaseException as error:
            self.close()
            if is_unavailable(error):
                raise unavailable(self.client, error) from error
            raise
        _opened.add(self)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Exclude other writers: threads wait for each other, other processes get an error.

        The first write locks the folder exclusively until the index is closed.

        Raises:
            RuntimeError: If other processes have the folder open.
        """
        self.check()
        with self._shared.turn:
            lock = self._shared.lock
            if lock is not None and not lock.exclusive:
                with _registry, lock.gate():
                    lock.exclude()
            self._shared.writers.add(id(self))
            self._shared.turns += 1
            with self._write_errors():
                yield

    def gate(self) -> AbstractContextManager[None]:
        """Keep other processes from opening the folder, or doing anything else behind the gate.

        Raises:
            RuntimeError: If other processes hold the gate for more than a minute.
        """
        return FolderLock(self.folder).gate() if self.folder else nullcontext()

    @contextmanager
    def writes_paused(self) -> Iterator[None]:
        """Keep this process's writers from changing documents; to be held only briefly."""
        with self._shared.mutation_lock:
            yield

    def check(self) -> None:
        """Check that the place can be used.

        Raises:
            RuntimeError: If it is closed, or was opened before a fork.
            FileNotFoundError: If its folder is gone or has been replaced by another.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(_AFTER_FORK)
        if not self._finish.alive:
            raise RuntimeError("the index is closed")
        now = self._database_now()
        if self.folder is not None and now is None:
            raise FileNotFoundError(f"the index folder {self.folder} is gone")
        if self._database is not None and now != self._database:
            raise FileNotFoundError(
                f"the index folder {self.folder} was moved away, and another is in its place: "
                "close the index and open the intended one"
            )

    def _database_now(self) -> tuple[int, int] | None:
        """Return what identifies the folder's database (device, inode); None if there is none."""
        try:
            found = os.stat(self.folder / DATABASE) if self.folder else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None

    def is_settled(self, name: str, store: object) -> bool:
        """Whether a store knows an index's content and need not look for others' leftovers.

        It does from its last call of ``settle`` on, if no other store has settled since and no
        other process can have written; on a server, only within the same write turn.

        Args:
            name: The index.
            store: The store's token.
        """
        settled = self._shared.settled.get(name)
        if settled is None or settled[0] is not store:
            return False
        return self.alone or settled[1] == self._shared.turns

    def settle(self, name: str, store: object | None) -> None:
        """Record which store knows an index's content.

        Args:
            name: The index.
            store: The store's token; None for no store, as after a failed write.
        """
        self._shared.settled[name] = None if store is None else (store, self._shared.turns)

    def diagnose(self) -> str:
        """Return why Chroma cannot read the data, as far as one can tell, and what to do."""
        # What was written is in Chroma's log; to read it, Chroma first writes it to its tables.
        if (
            self.folder is not None
            and (room := shutil.disk_usage(self.folder).free) < _MIN_FREE_BYTES
        ):
            return (
                f"only {room // 1024} KiB are left on its disk, and reading needs some space: "
                "nothing reported as written is lost; make room and open the index again"
            )
        if self.folder is not None and (records := stuck(self.folder)):
            return str(StuckLogError(self.folder, records))
        return (
            "if no other process writes to it, its files are damaged: "
            "ner-retriever check DIR --repair (first stop any server of the folder)"
        )

    def close(self) -> None:
        """Close the place. Closing it again does nothing."""
        self._finish()

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        """Explain a failed write; Chroma reports a full disk in SQLite's words."""
        from chromadb.errors import InternalError

        try:
            yield
        except InternalError as error:
            if self.folder is not None and (records := stuck(self.folder)):
                raise StuckLogError(self.folder, records) from error
            raise RuntimeError(
                f"the index{f' in {self.folder}' if self.folder else ''} could not be written: "
                f"{error}. What was reported as written before is kept; check that there is disk "
                "space, close the index, open it again and repeat the call"
            ) from error

    def _path(self) -> Path | None:
        """Return the folder as Chroma knows it, which keeps one database per path in a process."""
        known = self._shared.path is not None and chroma.is_open(self._shared.path)
        return self._shared.path if known else self.folder

    def _check_files(self, thorough: bool) -> None:
        assert self.folder is not None
        records = stuck(self.folder) if self._thorough and not self._repair else []
        if ours := [each for each in records if each.collection in (self._thorough or ())]:
            raise StuckLogError(self.folder, ours)
        damaged = graph_files.damaged(self.folder, thorough=thorough)
        if self._repair:
            self._set_aside(damaged)
        elif damaged:
            raise DamagedFilesError(self.folder, damaged)
        # Once for every graph that crashes a process, as each may hide the next.
        while self._thorough and (found := crash_probe.crashes_in(self.folder, self._thorough)):
            name, problem = found
            graph = graph_files.graph_of(self.folder, name)
            if graph is None or not self._repair:
                raise DamagedFilesError(self.folder, {graph or DATABASE: problem})
            self._set_aside({graph: problem})

    def _set_aside(self, damaged: dict[str, str]) -> None:
        assert self.folder is not None
        graph_files.set_aside(self.folder, list(damaged))
        self.damaged |= damaged


_opened: weakref.WeakSet[Place] = weakref.WeakSet()


def _close(
    shared: _Shared, key: Path | str | None, place: int, pid: int, clients: list[ClientAPI]
) -> None:
    """Close a place's own client, and release the lock with the last place that needs it."""
    if os.getpid() != pid:
        return
    with _registry:
        for client in clients:
            client.close()  # type: ignore[attr-defined]  # clients have it, their protocol does not yet
        shared.places -= 1
        shared.writers.discard(place)
        if shared.places == 0 and key is not None:
            _shared.pop(key, None)
        if shared.lock is not None and shared.places == 0:
            shared.lock.release()
        elif shared.lock is not None and shared.lock.exclusive and not shared.writers:
            shared.lock.relax()


def _after_fork() -> None:
    """In a forked child, drop the parent's locks and mark Chroma as unusable."""
    global _registry, _orphaned
    _registry = threading.RLock()
    _orphaned = _orphaned or _used
    for shared in _shared.values():
        if shared.lock is not None:
            shared.lock.forget()
    _shared.clear()
    for place in list(_opened):
        # Never torn down, not even at the child's exit: that would wait for threads it lacks.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(place.client))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
