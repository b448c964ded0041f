"""Sharded checkpoints: leave alone the files that hold only what comes after the last tap."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

INDEX, CONFIG = "model.safetensors.index.json", "config.json"
# What language models keep beside the bare model.
_HEADS = ("lm_head.", "embed_out.")


@contextmanager
def needed_shards(source: str, prefix: str, gone: Set[str]) -> Iterator[str]:
    """Give a folder to load from whose index names only the shards that are needed.

    transformers opens every shard that the index names, whether or not the model has a place for
    what is in it; so it is given an index without those that the model has no place for.

    Args:
        source: Folder of a checkpoint. Without a safetensors index it is given back as it is.
        prefix: What names of weights in the files may begin with, ``"model"``.
        gone: Names, without the prefix, of weights that the model has no place for.
    """
    index = Path(source) / INDEX
    if not index.is_file():
        yield source
        return
    content = json.loads(index.read_text(encoding="utf-8"))
    shards = {
        shard
        for name, shard in content["weight_map"].items()
        if name.removeprefix(prefix + ".") not in gone and not name.startswith(_HEADS)
    }
    # Not resolved: in the hub's cache a shard is a link to a file without a suffix.
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
