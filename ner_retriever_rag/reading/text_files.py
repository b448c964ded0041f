"""Text files, plain or compressed."""

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

# Raised on reading a damaged file, or one that is not text.
UNREADABLE = (OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError)


def open_text(path: str | Path, errors: str = "strict") -> IO[str]:
    """Open a UTF-8 text for reading; its suffix (.gz, .bz2, .xz) determines the decompression.

    A byte-order mark, which spreadsheets write, is skipped; line ends are kept as they are.

    Args:
        path: The file.
        errors: How to handle bytes that are not UTF-8, as in ``open``.

    Raises:
        OSError: If there is no such file.
    """
    opener = _OPENERS.get(Path(path).suffix.lower(), open)
    return cast("IO[str]", opener(path, "rt", encoding="utf-8-sig", errors=errors, newline=""))
