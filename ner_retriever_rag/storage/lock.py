"""The lock on a folder, for any number of processes that read or a single one that writes.

It is a kernel lock (``flock``) on a file in the folder, which is released however the process ends.
Changes of the lock, and anything that only one process may do at a time, happen behind a gate: a
second lock, held briefly, so that no process can slip in between the two halves of a change.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_FILE = ".ner-retriever.lock"
GATE_FILE = ".write.lock"  # earlier versions hold it while they write
OWN_FILES = frozenset({LOCK_FILE, GATE_FILE})
_GATE_SECONDS = 60.0

_POSIX = sys.platform != "win32"


class FolderLock:
    """One process's lock on a folder.

    Where there is no ``flock`` (Windows), every lock is exclusive: one process at a time, whether
    it reads or writes.

    Args:
        folder: An existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self.exclusive = False

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Keep other processes from opening the folder or changing their lock on it.

        Raises:
            RuntimeError: If other processes hold the gate for more than a minute.
            ValueError: If the gate's file is not ours.
        """
        _require_own(self._folder / GATE_FILE)
        gate = FileLock(self._folder / GATE_FILE, timeout=_GATE_SECONDS)
        try:
            gate.acquire()
        except Timeout as error:
            raise RuntimeError(
                f"other processes have been opening the index in {self._folder} for more than "
                f"{_GATE_SECONDS:.0f} seconds; try again, or serve the index to all of them: "
                f"ner-retriever serve {self._folder}"
            ) from error
        try:
            yield
        finally:
            gate.release()

    def share(self) -> None:
        """Take a shared lock, for reading. Call it behind the gate.

        Raises:
            RuntimeError: If another process writes.
            ValueError: If the lock file is not ours.
        """
        file = _opened(self._folder / LOCK_FILE)
        if not _lock(file, exclusive=not _POSIX):
            others = _others(file)
            os.close(file)
            raise RuntimeError(
                f"the index in {self._folder} is being written by another process "
                f"({others or 'pid unknown'}): {_remedy(self._folder)}"
            )
        self._file, self.exclusive = file, False
        _prune_dead(file)
        self._note("reads")

    def exclude(self, purpose: str = "writes") -> None:
        """Upgrade to an exclusive lock. Call it behind the gate.

        Args:
            purpose: What this process does, for the error that others get.

        Raises:
            RuntimeError: If other processes have the folder open; the lock stays as it was.
        """
        assert self._file is not None
        if not _lock(self._file, exclusive=True):
            # flock releases the shared lock before it fails to take the exclusive one.
            _lock(self._file, exclusive=not _POSIX)
            raise RuntimeError(
                f"the index in {self._folder} cannot be written while another process has it open "
                f"({_others(self._file) or 'pid unknown'}): {_remedy(self._folder)}"
            )
        self.exclusive = True
        self._note(purpose)

    def relax(self) -> None:
        """Downgrade to a shared lock, so that other processes can read again."""
        assert self._file is not None
        _lock(self._file, exclusive=not _POSIX)
        self.exclusive = False
        self._note("reads")

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            with suppress(OSError):
                self._note(None)
                _unlock(self._file)
            self.forget()

    def forget(self) -> None:
        """Close the file without unlocking: in a forked child the lock is the parent's."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
        self._file, self.exclusive = None, False

    def _note(self, purpose: str | None) -> None:
        """Add a line to the lock file saying what this process does now, for others' messages."""
        assert self._file is not None
        with suppress(OSError):  # a full disk must not prevent reading
            os.write(self._file, f"{os.getpid()} {purpose or ''}\n".encode())


def _opened(path: Path) -> int:
    """Open or create the lock file, never following a link in its place."""
    _require_own(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    for flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):
        flags |= getattr(os, flag, 0)
    try:
        file = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _foreign(path) from None
        raise
    if not _is_own(os.fstat(file)):
        os.close(file)
        raise _foreign(path)
    return file


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Let one process at a time run the context; the others wait.

    Has no effect where a lock is impossible (a read-only disk).

    Args:
        path: The lock file; its content is not preserved.
    """
    lock = FileLock(path)
    try:
        _require_own(path)
        lock.acquire()
    except (OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _require_own(path: Path) -> None:
    """Check that a file is a regular one or does not exist yet, as it will be truncated."""
    try:
        if not _is_own(os.lstat(path)):
            raise _foreign(path)
    except FileNotFoundError:
        pass


def _is_own(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_nlink <= 1


def _foreign(path: Path) -> ValueError:
    return ValueError(
        f"path: {path} is a link or not a regular file, which this package never makes: check "
        "where the folder comes from, and delete the file if you trust the rest"
    )


def _purposes(file: int) -> dict[int, str]:
    """Return the purpose that each process wrote last, by pid."""
    os.lseek(file, 0, os.SEEK_SET)
    lines = os.read(file, 1 << 20).decode(errors="replace").splitlines()
    split = [line.partition(" ") for line in lines]
    # Nine digits at most: whatever the file holds, the system accepts the number as a pid.
    return {int(pid): purpose for pid, _, purpose in split if re.fullmatch("[0-9]{1,9}", pid)}


def _others(file: int) -> str:
    """Describe the other living processes that have the folder open."""
    found = [
        f"pid {pid} {purpose}"
        for pid, purpose in _purposes(file).items()
        if purpose and pid != os.getpid() and _alive(pid)
    ]
    return ", ".join(found) or "pid unknown"


def _prune_dead(file: int) -> None:
    """Drop the lines of dead processes, to keep the lock file short."""
    kept = [(pid, purpose) for pid, purpose in _purposes(file).items() if purpose and _alive(pid)]
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.write(file, "".join(f"{pid} {purpose}\n" for pid, purpose in kept).encode())


def _alive(pid: int) -> bool:
    if not _POSIX:
        return True  # on Windows, signal 0 would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's process
        return True
    return True


def _remedy(folder: Path) -> str:
    return (
        f"close it there, or run a server on the folder (ner-retriever serve {folder}) and open "
        "the index with client=chromadb.HttpClient(...) in every process"
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, exclusive: bool) -> bool:
        """Lock a byte far beyond the file's text, or renew the lock if this process holds it."""
        os.lseek(file, 1 << 30, os.SEEK_SET)
        with suppress(OSError):
            msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, 1 << 30, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int, exclusive: bool) -> bool:
        """Take or change a lock without waiting; return whether that was possible."""
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
