"""Optional dependencies: imported when needed, with the line that installs them when missing."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, *, extra: str) -> Any:
    """Import a module that comes with an extra.

    Args:
        module: Dotted name of the module.
        extra: The extra of this package that installs it.

    Raises:
        ImportError: If it is not installed; the message gives the pip line.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module} is not installed; run: pip install 'ner-retriever-rag[{extra}]'"
        ) from error
