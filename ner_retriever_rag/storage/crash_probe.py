"""Read everything that Chroma has of some collections, in a separate process.

Chroma and its nearest-neighbor library read their files in native code, and damaged files can crash
the process. If that happens here, it is known which files caused it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PAGE = 5_000  # records read at once
_CODES = range(256)  # exit codes of a process that ended by itself


def crashes_in(folder: Path, collections: Sequence[str]) -> tuple[str, str] | None:
    """Find the collection at which a process that reads all of them crashes.

    The calling process must not have Chroma open in the folder, and must keep others from opening
    it.

    Args:
        folder: The database's folder.
        collections: The collections' names.

    Returns:
        The name of the collection that was read last, empty if none, and what happened; None if the
        process ended by itself, whatever it found.
    """
    # Not with -m, which would add the working directory to the import path.
    command = [sys.executable, "-P", __file__, str(folder), *collections]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode in _CODES:
        return None
    name = (done.stdout.splitlines() or [""])[-1]
    return name, f"a process that reads it was killed by the system (code {done.returncode})"


def _read(folder: str, names: Sequence[str]) -> None:
    """Read all vectors of each collection and search it once, printing its name beforehand."""
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
