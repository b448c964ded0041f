"""Text files, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSED = frozenset(_OPENERS)

# What reading a damaged file raises, or one that is no text.
UNREADABLE = (OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError)


def open_text(path: str | Path, errors: str = "strict") -> IO[str]:
    """Open a UTF-8 text for reading; what it ends in (.gz, .bz2, .xz) says how it is packed.

    A byte-order mark, which spreadsheets write, is left out; line ends stay as they are.

    Args:
        path: The file.
        errors: What to do with bytes that are not UTF-8, as ``open`` takes it.

    Raises:
        OSError: If there is no such file.
    """
    opener = _OPENERS.get(Path(path).suffix.lower(), open)
    return cast("IO[str]", opener(path, "rt", encoding="utf-8-sig", errors=errors, newline=""))
