"""Synonyms and broader terms of types, from a WordNet folder (Fellbaum, 1998).

Definitions seldom reach types as broad as users ask for ("living thing", "written work"); WordNet's
hypernyms do. The files ``index.noun`` and ``data.noun`` are read in the format of wndb(5), as
distributed by Princeton and by Debian's ``wordnet-base``.
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

_MIN_DEPTH = 3  # levels below the root; "entity", "abstraction", "object" are uninformative
_MAX_LEVELS = 4  # levels to climb
_STOP_AT = {"person"}  # climbing ends here: a query for living things does not mean people
# Lexicographer files: attributes, feelings, motives, quantities, relations, shapes.
_EXCLUDED_FILES = {7, 12, 16, 23, 24, 25}
_NAMES_PER_SYNSET = 2  # the most common ones
_UNINFORMATIVE = {"whole", "unit", "part", "portion"}  # at the broadest levels kept
_RANK_PENALTY = 0.04  # subtracted from a sense's cosine for each more common sense
_PHRASES_PER_HEAD = 24  # most frequent type phrases that represent a head noun

TextVectors = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Synset:
    """A sense: its names, its hypernyms (as offsets), and its gloss."""

    names: tuple[str, ...]
    hypernyms: tuple[int, ...]
    gloss: str


class WordNet:
    """The nouns of a WordNet folder.

    Args:
        folder: Contains ``index.noun`` and ``data.noun``.

    Raises:
        FileNotFoundError: If one of them is missing.
    """

    def __init__(self, folder: str | Path) -> None:
        self.synsets = dict(_read_synsets(Path(folder) / "data.noun"))
        self.senses = {
            name: tuple(offset for offset in offsets if offset in self.synsets)
            for name, offsets in _read_senses(Path(folder) / "index.noun")
        }

    @cached_property
    def depth(self) -> dict[int, int]:
        """Minimum number of steps from each synset up to the root."""
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
        """Names of a sense and of its hypernyms, nearest first, without those too broad to use."""
        names: dict[str, None] = {}
        front = [offset]
        for _ in range(_MAX_LEVELS + 1):
            front = [o for o in front if self.depth.get(o, 0) >= _MIN_DEPTH]
            names |= dict.fromkeys(
                n for o in front for n in self.synsets[o].names[:_NAMES_PER_SYNSET]
            )
            climbing = [o for o in front if self.synsets[o].names[0] not in _STOP_AT]
            front = [up for o in climbing for up in self.synsets[o].hypernyms]
        return [name for name in names if name not in _UNINFORMATIVE]


def broader_by_wordnet(
    wordnet: WordNet, phrases_of: Mapping[str, Counter[str]], text_vectors: TextVectors
) -> dict[str, list[str]]:
    """Find synonyms and broader types of head nouns.

    The sense of a noun is the one whose names and gloss are nearest to the phrases it was mined in
    ("metal band", "brass band"), with a small penalty for rarer senses.

    Args:
        wordnet: Source of the senses.
        phrases_of: Maps a head noun to the counts of the mined type phrases with that head.
        text_vectors: Maps texts to float32 ``(n, dim)``, L2-normalized.
    """
    known = {head: senses for head in phrases_of if (senses := wordnet.senses.get(head))}
    asked = {head: phrases_of[head].most_common(_PHRASES_PER_HEAD) for head in known}
    texts = sorted({phrase for phrases in asked.values() for phrase, _ in phrases})
    offsets = sorted({offset for senses in known.values() for offset in senses})
    row_of_text = {text: row for row, text in enumerate(texts)}
    row_of_sense = {offset: row for row, offset in enumerate(offsets)}
    of_texts = text_vectors(texts)
    of_senses = text_vectors([_sense_text(wordnet, offset) for offset in offsets])
    found = {}
    for head, senses in known.items():
        counts = np.sqrt([count for _, count in asked[head]])
        use = np.average(of_texts[[row_of_text[p] for p, _ in asked[head]]], 0, counts)
        fit = of_senses[[row_of_sense[offset] for offset in senses]] @ use
        best = senses[int(np.argmax(fit - _RANK_PENALTY * np.arange(len(senses))))]
        if names := [name for name in wordnet.broader(best) if name != head]:
            found[head] = names
    return found


def phrases_by_head(phrases: Iterable[str]) -> dict[str, Counter[str]]:
    """Count lower-cased type phrases per head noun."""
    under: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for phrase in phrases:
        under[head_noun(phrase)][phrase.lower()] += 1
    return dict(under)


def _sense_text(wordnet: WordNet, offset: int) -> str:
    synset = wordnet.synsets[offset]
    kinds = [wordnet.synsets[up].names[0] for up in synset.hypernyms if up in wordnet.synsets]
    return f"{', '.join(synset.names)}: {synset.gloss} {', '.join(kinds)}"


def _read_synsets(path: Path) -> list[tuple[int, Synset]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # license header
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
        # Skip instances and kinds of things that have no names.
        if "@i" in pointers or int(parts[1]) in _EXCLUDED_FILES:
            continue
        definition = gloss.split('"')[0].strip(" ;")  # quoted examples follow
        found.append((int(parts[0]), Synset(names, ups, definition)))
    return found


def _read_senses(path: Path) -> list[tuple[str, tuple[int, ...]]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            continue
        parts = line.split()
        count = int(parts[2])
        found.append((parts[0].replace("_", " "), tuple(map(int, parts[-count:]))))
    return found
