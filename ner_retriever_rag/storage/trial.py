"""Reading all that Chroma has of some collections, in a process of its own.

Chroma and its nearest-neighbour library read their files in native code, and damaged ones can end
the process. Where that happens here, it is known which files they were.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PAGE = 5_000  # records read at once
_CODES = range(256)  # of a process that ended by itself


def ends_in(folder: Path, collections: Sequence[str]) -> tuple[str, str] | None:
    """Where a process that reads collections comes to a violent end.

    For a process that has no Chroma open in the folder, and keeps others from opening it.

    Args:
        folder: The database's folder.
        collections: Their names.

    Returns:
        The name of the collection that it read last, empty if none, and what happened; None where
        the process ended by itself, whatever it found.
    """
    # Not with -m, which would have the working folder among what is imported from.
    command = [sys.executable, "-P", __file__, str(folder), *collections]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode in _CODES:
        return None
    name = (done.stdout.splitlines() or [""])[-1]
    return name, f"a process that reads it is ended by the system (code {done.returncode})"


def _read(folder: str, names: Sequence[str]) -> None:
    """Read all vectors and search once, saying before each collection which it is."""
    import chromadb

    client: Any = chromadb.PersistentClient(folder)
    there = {each.name for each in client.list_collections()}
    for name in there.intersection(names):
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        collection = client.get_collection(name, embedding_function=None)
        ids = collection.get(include=[])["ids"]
        for start in range(0, len(ids), _PAGE):
            page = collection.get(ids=ids[start : start + _PAGE], include=["embeddings"])
            vectors = page["embeddings"]
            if vectors is not None and len(vectors):
                nearest = min(10, len(ids))
                collection.query(query_embeddings=[vectors[0]], n_results=nearest, include=[])


if __name__ == "__main__":
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    _read(sys.argv[1], sys.argv[2:])
