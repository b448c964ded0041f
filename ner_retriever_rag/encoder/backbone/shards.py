"""Sharded checkpoints: skip the files that hold only what comes after the last tap."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

INDEX, CONFIG = "model.safetensors.index.json", "config.json"


@contextmanager
def needed_shards(source: str, has_place: Callable[[str], bool]) -> Iterator[str]:
    """Provide a folder to load from whose index names only the shards that are needed.

    transformers opens every shard in the index, whether or not the model has parameters for its
    weights, so it gets an index without the shards that the model does not need.

    Args:
        source: Folder of a checkpoint. Without a safetensors index it is yielded unchanged.
        has_place: Whether the model has, or may have, a parameter of this name.
    """
    index = Path(source) / INDEX
    if not index.is_file():
        yield source
        return
    content = json.loads(index.read_text(encoding="utf-8"))
    shards = {shard for name, shard in content["weight_map"].items() if has_place(name)}
    # Not resolved: in the hub's cache a shard is a symlink to a file without a suffix.
    folder = index.parent.absolute()
    content["weight_map"] = {
        name: str(folder / shard)
        for name, shard in content["weight_map"].items()
        if shard in shards
    }
    with TemporaryDirectory() as reduced:
        copyfile(folder / CONFIG, Path(reduced) / CONFIG)
        (Path(reduced) / INDEX).write_text(json.dumps(content), encoding="utf-8")
        yield reduced
