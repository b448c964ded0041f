"""Text files, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def open_text(path: str | Path) -> IO[str]:
    """Open a UTF-8 text for reading; what it ends in (.gz, .bz2, .xz) says how it is packed.

    A byte-order mark, which spreadsheets write, is left out; line ends stay as they are.

    Raises:
        OSError: If there is no such file.
    """
    opener = _OPENERS.get(Path(path).suffix.lower(), open)
    return cast("IO[str]", opener(path, "rt", encoding="utf-8-sig", newline=""))
