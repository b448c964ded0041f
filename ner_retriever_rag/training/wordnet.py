"""Broader and other names of types, from a WordNet folder (Fellbaum, 1998).

Definitions seldom climb as high as users ask ("living thing", "written work"); WordNet's
hypernyms do. Read are ``index.noun`` and ``data.noun`` in the format of wndb(5), as distributed by
Princeton and by Debian's ``wordnet-base``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.queries.english import head_noun

_TOO_BROAD = 3  # levels below the root: "entity", "abstraction", "object" say nothing
_LEVELS = 4  # how far up
_SUMMITS = {"person"}  # a query for living things does not mean people
_NOT_NAMED = {7, 12, 16, 23, 24, 25}  # attributes, feelings, motives, quantities, relations, shapes
_NAMES = 2  # names taken of a synset, the commonest first
_NOBODY_ASKS = {"whole", "unit", "part", "portion"}  # names of the levels just below
_RANK_COST = 0.04  # cosine a sense loses for each commoner one
_PHRASES = 24  # type phrases that stand for a head noun

TextVectors = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Synset:
    """A sense: its names, what it is a kind of (offsets), and its gloss."""

    names: tuple[str, ...]
    hypernyms: tuple[int, ...]
    gloss: str


class WordNet:
    """The nouns of a WordNet folder.

    Args:
        folder: Holds ``index.noun`` and ``data.noun``.

    Raises:
        FileNotFoundError: If it does not.
    """

    def __init__(self, folder: str | Path) -> None:
        self.synsets = dict(_synsets(Path(folder) / "data.noun"))
        self.senses = {
            name: tuple(offset for offset in offsets if offset in self.synsets)
            for name, offsets in _senses(Path(folder) / "index.noun")
        }

    @cached_property
    def depth(self) -> dict[int, int]:
        """Least number of steps from each synset up to the root."""
        below: defaultdict[int, list[int]] = defaultdict(list)
        for offset, synset in self.synsets.items():
            for up in synset.hypernyms:
                below[up].append(offset)
        front = [o for o, synset in self.synsets.items() if not synset.hypernyms]
        depth = dict.fromkeys(front, 0)
        while front:
            reached = {down: depth[up] + 1 for up in front for down in below[up]}
            front = [offset for offset in reached if offset not in depth]
            depth |= {offset: reached[offset] for offset in front}
        return depth

    def broader(self, offset: int) -> list[str]:
        """Other names of a sense and the names of all it is a kind of, nearest first."""
        names: dict[str, None] = {}
        front = [offset]
        for _ in range(_LEVELS + 1):
            front = [o for o in front if self.depth.get(o, 0) >= _TOO_BROAD]
            names |= dict.fromkeys(n for o in front for n in self.synsets[o].names[:_NAMES])
            climbing = [o for o in front if self.synsets[o].names[0] not in _SUMMITS]
            front = [up for o in climbing for up in self.synsets[o].hypernyms]
        return [name for name in names if name not in _NOBODY_ASKS]


def broader_by_wordnet(
    wordnet: WordNet, phrases_of: Mapping[str, Counter[str]], text_vectors: TextVectors
) -> dict[str, list[str]]:
    """For head nouns, other names of what they mean and the names of broader types.

    A noun's sense is the one whose names and gloss are nearest to the phrases it was mined in
    ("metal band", "brass band"), rarer senses at a small handicap.

    Args:
        wordnet: Where senses come from.
        phrases_of: Head nouns and how often each type phrase with that head was mined.
        text_vectors: Texts to float32 ``(n, dim)``, L2-normalised.
    """
    known = {head: senses for head in phrases_of if (senses := wordnet.senses.get(head))}
    asked = {head: phrases_of[head].most_common(_PHRASES) for head in known}
    texts = sorted({phrase for phrases in asked.values() for phrase, _ in phrases})
    offsets = sorted({offset for senses in known.values() for offset in senses})
    row_of_text = {text: row for row, text in enumerate(texts)}
    row_of_sense = {offset: row for row, offset in enumerate(offsets)}
    of_texts = text_vectors(texts)
    of_senses = text_vectors([_in_words(wordnet, offset) for offset in offsets])
    found = {}
    for head, senses in known.items():
        counts = np.sqrt([count for _, count in asked[head]])
        use = np.average(of_texts[[row_of_text[p] for p, _ in asked[head]]], 0, counts)
        fit = of_senses[[row_of_sense[offset] for offset in senses]] @ use
        best = senses[int(np.argmax(fit - _RANK_COST * np.arange(len(senses))))]
        if names := [name for name in wordnet.broader(best) if name != head]:
            found[head] = names
    return found


def phrases_by_head(phrases: Iterable[str]) -> dict[str, Counter[str]]:
    """Type phrases counted under their head nouns."""
    under: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for phrase in phrases:
        under[head_noun(phrase)][phrase.lower()] += 1
    return dict(under)


def _in_words(wordnet: WordNet, offset: int) -> str:
    synset = wordnet.synsets[offset]
    kinds = [wordnet.synsets[up].names[0] for up in synset.hypernyms if up in wordnet.synsets]
    return f"{', '.join(synset.names)}: {synset.gloss} {', '.join(kinds)}"


def _synsets(path: Path) -> list[tuple[int, Synset]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields, _, gloss = line.partition(" | ")
        parts = fields.split()
        count = int(parts[3], 16)
        names = tuple(parts[4 + 2 * i].replace("_", " ").lower() for i in range(count))
        pointers = parts[5 + 2 * count :]
        ups = tuple(
            int(pointers[i + 1])
            for i in range(0, 4 * int(parts[4 + 2 * count]), 4)
            if pointers[i] == "@"
        )
        if "@i" in pointers or int(parts[1]) in _NOT_NAMED:  # one thing; nothing that has a name
            continue
        definition = gloss.split('"')[0].strip(" ;")  # examples come after, in quotes
        found.append((int(parts[0]), Synset(names, ups, definition)))
    return found


def _senses(path: Path) -> list[tuple[str, tuple[int, ...]]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            continue
        parts = line.split()
        count = int(parts[2])
        found.append((parts[0].replace("_", " "), tuple(map(int, parts[-count:]))))
    return found
