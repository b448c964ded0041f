"""Integrity checks of Chroma's nearest-neighbor graph files.

Chroma writes these files in place, so a process killed meanwhile may leave them torn, and it reads
them unchecked: a truncated file yields wrong vectors, and a torn one can crash the process. The
files hold the vectors; the texts are in SQLite, and the vectors can be recomputed from them.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ner_retriever_rag.storage.roles import DATABASE

_HEADER = struct.Struct("<i6QiI3QdQ")
_FILES = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin")
_MAP = "index_metadata.pickle"
_PAGE = 100_000  # nodes checked at once
_GRAPH = (
    "SELECT segments.id FROM segments JOIN collections ON collections.id = collection "
    "WHERE scope = 'VECTOR' AND name = ?"
)
# Name prefixes of damaged graphs: until their content has been restored, and after that.
_ASIDE, _ARCHIVED = "mending-", "damaged-"


class DamagedFilesError(RuntimeError):
    """Files that hold vectors are damaged.

    Args:
        folder: The index.
        graphs: What is wrong with each, by the name of its folder.
    """

    def __init__(self, folder: Path, graphs: dict[str, str]) -> None:
        name, problem = next(iter(graphs.items()))
        super().__init__(
            f"the vectors of the index in {folder} are damaged ({name}: {problem}); the "
            f"texts are not: ner-retriever check {folder} --repair encodes them again"
        )
        self.graphs = graphs


class _Header(NamedTuple):
    """The fields of ``header.bin``."""

    version: int
    offset: int
    capacity: int
    elements: int
    stride: int
    label_offset: int
    data_offset: int
    top_level: int
    entry: int
    max_links: int
    max_links_0: int
    links: int
    factor: float
    ef: int


ASIDE = (_ASIDE, _ARCHIVED)  # name prefixes of graphs that are not in use


def damaged(folder: Path, *, thorough: bool) -> dict[str, str]:
    """Find the damaged graphs of a database.

    Args:
        folder: The database's folder.
        thorough: Check every node, not only the files' headers and sizes.

    Returns:
        What is wrong with each, by the name of its folder.
    """
    found = {graph.name: "its repair was interrupted" for graph in _aside(folder)}
    for graph in sorted({path.parent for name in _FILES for path in folder.glob(f"*/{name}")}):
        if not graph.name.startswith((_ASIDE, _ARCHIVED)):
            problem = next(_problems(graph, thorough), None)
            if problem is not None:
                found[graph.name] = problem
    return found


def graph_of(folder: Path, collection: str) -> str | None:
    """Return the name of the folder of a collection's graph; None if it has none."""
    database = f"{(folder / DATABASE).resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(database, uri=True)) as connection:
            found = connection.execute(_GRAPH, (collection,)).fetchone()
    except sqlite3.Error:
        return None
    return str(found[0]) if found and (folder / found[0]).is_dir() else None


def set_aside(folder: Path, graphs: list[str]) -> None:
    """Rename graphs so that Chroma creates new ones; they count as damaged until ``archive``.

    Args:
        folder: The database's folder.
        graphs: Names of their folders.
    """
    for name in graphs:
        if not name.startswith(_ASIDE):
            (folder / name).rename(_unused(folder / f"{_ASIDE}{name}"))


def archive(folder: Path) -> None:
    """Keep the graphs that were set aside for inspection, now that there are new ones."""
    for graph in _aside(folder):
        graph.rename(_unused(folder / f"{_ARCHIVED}{graph.name.removeprefix(_ASIDE)}"))


def _aside(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_ASIDE}*"))


def _unused(path: Path) -> Path:
    """Return the path, numbered if it is taken: a graph may be damaged more than once."""
    others = (path.with_name(f"{path.name}-{number}") for number in count(2))
    return next(each for each in chain([path], others) if not each.exists())


def _problems(graph: Path, thorough: bool) -> Iterator[str]:
    for name in _FILES:
        if not (graph / name).is_file():
            yield f"{name} is missing"
            return
    content = (graph / _FILES[0]).read_bytes()
    if len(content) < _HEADER.size:
        yield "header.bin is truncated"
        return
    header = _Header._make(_HEADER.unpack_from(content))
    if (
        header.version != 1
        or header.elements > header.capacity
        or header.data_offset != 4 * (header.max_links_0 + 1)
        or header.stride != header.label_offset + 8
        or (header.elements and header.entry >= header.elements)
    ):
        yield "header.bin holds something else"
        return
    per_element = {"data_level0.bin": header.stride, "length.bin": 4, "link_lists.bin": 4}
    for name, size in per_element.items():
        if (graph / name).stat().st_size < size * header.elements:
            yield f"{name} is truncated"
            return
    if header.elements and not _ends(graph / _MAP):
        yield f"{_MAP} is missing or cut short"
    if thorough:
        yield from _broken_links(graph, header)


def _ends(file: Path) -> bool:
    """Whether a pickle is complete; nothing in it is executed."""
    return file.is_file() and file.read_bytes()[-1:] == b"."


def _broken_links(graph: Path, header: _Header) -> Iterator[str]:
    """Yield a problem if links point to nodes that do not exist."""
    if not header.elements:
        return
    shape = header.elements, header.stride
    nodes = np.memmap(graph / "data_level0.bin", np.uint8, "r", shape=shape)
    for start in range(0, header.elements, _PAGE):
        links = nodes[start : start + _PAGE, : header.data_offset].copy().view("<u4")
        degrees = links[:, 0] & 0xFFFF
        used = np.arange(header.max_links_0) < degrees[:, None]
        if (degrees > header.max_links_0).any() or (links[:, 1:][used] >= header.elements).any():
            yield "data_level0.bin has links that lead nowhere"
            return
    yield from _torn_upper_levels((graph / "link_lists.bin").read_bytes(), header)


def _torn_upper_levels(content: bytes, header: _Header) -> Iterator[str]:
    position = 0
    for _ in range(header.elements):
        if position + 4 > len(content):
            yield "link_lists.bin is truncated"
            return
        size = int.from_bytes(content[position : position + 4], "little")
        if size % (4 * (header.max_links + 1)) or position + 4 + size > len(content):
            yield "link_lists.bin is torn"
            return
        position += 4 + size
