"""Known names: types mined from Wikipedia's first sentences, blended into mention vectors.

If a mention is a known name, and one of the name's type phrases agrees with the vector from the
context, the vector is moved toward that phrase: context picks among homonyms, and the name supplies
what the context does not say. Every other mention keeps its vector, bit for bit.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from ner_retriever_rag.encoder.user_names import validate_names
from ner_retriever_rag.reading.view import name_in

WEIGHTS, CONFIG = "names.safetensors", "names.json"
_DROPPED = re.compile(r"['’`´.]")
_PUNCTUATION = re.compile(r"[^\w+#]+|_+")
_POSSESSIVE = re.compile(r"['’]s?\s*$")
_ARTICLE = re.compile(r"^\s*(?:the|an?)\s+(?=\w)", re.IGNORECASE)
_MOST_TYPES = 255  # per name; the count is stored in one byte
_PARTS = ("hashes", "counts", "phrases", "vectors", "scale")

EncodeTypes = Callable[[Sequence[str]], NDArray[np.float32]]
Move = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps float32 ``(n, dim)`` vectors of one space into another, L2-normalized."""


def name_key(name: str) -> str:
    """Reduce a name to what its spellings share: no case, accents, symbols, article or possessive.

    >>> name_key("The Beatles’") == name_key("beatles")
    True
    """
    if not name.isascii():
        apart = unicodedata.normalize("NFKD", name)
        name = "".join(c for c in apart if not unicodedata.combining(c))
    bare = _ARTICLE.sub("", _POSSESSIVE.sub("", name), count=1)
    key = _PUNCTUATION.sub(" ", _DROPPED.sub("", bare).casefold()).strip()
    return key or name.strip().casefold()


def name_hashes(names: Iterable[str]) -> NDArray[np.uint64]:
    """Hash each name to 64 bits, the same on every machine and for all spellings of the name."""
    joined = b"".join(blake2b(name_key(n).encode(), digest_size=8).digest() for n in names)
    return np.frombuffer(joined, dtype="<u8")


def names_of(text: str, spans: Iterable[tuple[int, int]]) -> list[str]:
    """Names of mentions, each on one line and in plain characters, as in the text's view.

    Args:
        text: The text.
        spans: Its mentions.
    """
    return [name_in(text[start:end]) for start, end in spans]


@dataclass(frozen=True)
class NameTable:
    """Names by hash, and the vectors of their type phrases.

    Attributes:
        hashes: uint64 ``(names,)``, ascending.
        counts: uint8 ``(names,)``, number of phrases of each name; never 0.
        phrases: Unsigned ``(sum of counts,)``, phrase indices, name after name.
        vectors: int8 ``(phrases, dim)``, the phrases' vectors divided by ``scale``.
        scale: float32 ``(1,)``.
    """

    hashes: NDArray[np.uint64]
    counts: NDArray[np.uint8]
    phrases: NDArray[np.unsignedinteger]
    vectors: NDArray[np.int8]
    scale: NDArray[np.float32]

    @classmethod
    def build(cls, names: Mapping[str, Sequence[str]], encode: EncodeTypes) -> NameTable:
        """Build a table; names that differ only in spelling are merged.

        Args:
            names: Maps each name to its type phrases, at least one.
            encode: Type phrases to float32 ``(n, dim)``, L2-normalized; each is passed once.

        Raises:
            ValueError: If there is no name, or one without a type.
        """
        if not names or not all(names.values()):
            raise ValueError("a name table needs at least one name, and a type for each")
        number: dict[str, int] = {}
        merged: dict[int, dict[int, None]] = {}
        for key, types in zip(name_hashes(names).tolist(), names.values(), strict=True):
            numbers = (number.setdefault(phrase, len(number)) for phrase in types)
            merged.setdefault(key, {}).update(dict.fromkeys(numbers))
        rows = {key: list(merged[key])[:_MOST_TYPES] for key in sorted(merged)}
        return cls(
            np.array(list(rows), dtype=np.uint64),
            np.array([len(row) for row in rows.values()], dtype=np.uint8),
            np.array([n for row in rows.values() for n in row], np.min_scalar_type(len(number))),
            *_quantize(encode(list(number))),
        )

    def moved(self, move: Move) -> NameTable:
        """Return the same names in another space."""
        vectors, scale = _quantize(move(self.vectors * self.scale))
        return replace(self, vectors=vectors, scale=scale)

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Look up hashes: ``(found,)`` positions of those in the table, and their rows."""
        rows = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        found = np.flatnonzero(self.hashes[rows] == hashes)
        return found, rows[found]

    def nearest(
        self, rows: NDArray[np.intp], vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For each name, find its phrase nearest to a vector.

        Args:
            rows: ``(n,)``, rows of names; at least one.
            vectors: float32 ``(n, dim)``, L2-normalized.

        Returns:
            The phrases' vectors, float32 ``(n, dim)``, and their cosines, float32 ``(n,)``.
        """
        counts = self.counts[rows].astype(np.intp)
        ends = np.cumsum(counts)
        which = np.repeat(np.arange(len(rows)), counts)
        entries = np.repeat(self._starts[rows] - (ends - counts), counts) + np.arange(ends[-1])
        phrases = self.vectors[self.phrases[entries]] * self.scale
        cosines = np.einsum("ij,ij->i", phrases, vectors[which])
        best = np.lexsort((cosines, which))[ends - 1]
        return phrases[best], cosines[best]

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """Index of each name's first phrase."""
        return np.cumsum(self.counts, dtype=np.intp) - self.counts


class KnownNames:
    """Blends the known types of names into the vectors that their contexts give.

    Args:
        table: The mined names; None for the user's own names only.
        weight: Step size: a vector moves to ``unit(vector + weight * phrase)``.
        threshold: Minimum cosine of vector and phrase; below it the name is treated as a homonym.
        learned_weight: Weight of a learned name, which is trusted whatever the context says.
        learned: The user's own names and their types, see :meth:`learn`.
        own: Table of the user's own names.
    """

    WEIGHTS = WEIGHTS

    def __init__(
        self,
        table: NameTable | None = None,
        *,
        weight: float = 0.2,
        threshold: float = 0.25,
        learned_weight: float = 0.5,
        learned: Mapping[str, Sequence[str]] | None = None,
        own: NameTable | None = None,
    ) -> None:
        self.weight, self.threshold, self.learned_weight = weight, threshold, learned_weight
        self.learned = {name: list(types) for name, types in (learned or {}).items()}
        self._table, self._own = table, own

    def learn(self, names: Mapping[str, Sequence[str]], encode: EncodeTypes) -> KnownNames:
        """Return a copy with more of the user's own names, which override the mined ones.

        Args:
            names: Maps each name to its type descriptions; replaces those learned for it before.
            encode: As for :meth:`NameTable.build`.

        Raises:
            TypeError: If ``names`` is empty or does not map strings to lists of strings.
            ValueError: If a name or a type in it is empty.
        """
        learned = {**self.learned, **validate_names(names)}
        own = NameTable.build(learned, encode)
        return KnownNames(self._table, own=own, **{**self._settings(), "learned": learned})

    def moved(self, move: Move) -> KnownNames:
        """Return the same names in another space, into which mention vectors are moved likewise."""
        table, own = (each and each.moved(move) for each in (self._table, self._own))
        return KnownNames(table, own=own, **self._settings())

    def __len__(self) -> int:
        return sum(len(table.hashes) for table in (self._own, self._table) if table is not None)

    def knows(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Which mentions have a known name: bool ``(n,)``."""
        known = np.zeros(len(words), dtype=bool)
        hashes = name_hashes(words)
        for table in (self._own, self._table):
            if table is not None:
                known[table.find(hashes)[0]] = True
        return known

    def blend(self, words: Sequence[str], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Move the vectors of known names toward their known types.

        Args:
            words: The text of each mention.
            vectors: float32 ``(n, dim)``, L2-normalized; not modified.

        Returns:
            float32 ``(n, dim)``, L2-normalized; rows of unknown names are the same, bit for bit.
        """
        hashes = name_hashes(words)
        blended, todo = vectors, np.arange(len(words))
        own = (self._own, self.learned_weight, -1.0)
        for table, weight, threshold in (own, (self._table, self.weight, self.threshold)):
            if table is None:
                continue
            found, rows = table.find(hashes[todo])
            if not len(found):
                continue
            if blended is vectors:
                blended = vectors.copy()
            at, todo = todo[found], np.delete(todo, found)
            phrases, cosines = table.nearest(rows, vectors[at])
            agrees = cosines >= threshold
            moved = vectors[at[agrees]] + weight * phrases[agrees]
            blended[at[agrees]] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return blended

    @cached_property
    def digest(self) -> str:
        """Sha256 of everything the blended vectors depend on."""
        settings = (self.weight, self.threshold, self.learned_weight)
        digest = sha256(repr(settings).encode())
        for name, value in sorted(self._arrays().items()):
            digest.update(name.encode() + value.tobytes())
        return digest.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write ``names.safetensors`` and ``names.json`` into a folder, created if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self._arrays(), folder / WEIGHTS)
        text = json.dumps(self._settings(), indent=2, ensure_ascii=False)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> KnownNames:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
        """
        folder = Path(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        arrays = load_file(folder / WEIGHTS)
        return cls(_table(arrays, "mined."), own=_table(arrays, "own."), **config)

    def _settings(self) -> dict[str, Any]:
        names = ("weight", "threshold", "learned_weight", "learned")
        return {name: getattr(self, name) for name in names}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        tables = {"mined.": self._table, "own.": self._own}
        there = {prefix: table for prefix, table in tables.items() if table is not None}
        return {prefix + part: getattr(t, part) for prefix, t in there.items() for part in _PARTS}


def _quantize(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize vectors to int8; also return the scale that restores them."""
    scale = max(float(np.abs(vectors).max()), 1e-12) / 127
    return np.round(vectors / scale).astype(np.int8), np.array([scale], dtype=np.float32)


def _table(arrays: Mapping[str, NDArray[Any]], prefix: str) -> NameTable | None:
    found = {part: arrays[prefix + part] for part in _PARTS if prefix + part in arrays}
    return NameTable(**found) if found else None
