"""Maps a model's copy of a text, with marks around the names, back to spans of the text.

Models do not copy faithfully: they drop words, fix spelling, change case, chat, or list the names
and nothing else. A marked name is used only if it is clear which words of the text are meant.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from operator import itemgetter

from ner_retriever_rag.schema import Span

# The first one whose character does not occur in the text is used.
MARKS = ("##", "@@", "%%", "~~", "§§", "¦¦")
_LONGEST = 200  # characters between two marks; a longer run means an unclosed mark
_PAIRS = 1_000  # most pairs of a word in the copy and in the text; a passage has some hundreds
_MIN_SIMILARITY = 0.8  # minimum similarity of a name to the words it stands for
# Scripts written without spaces, where every character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+|[^\w\s]")
_EDGE = ' \t\r\n,;:"“”„«»'  # never part of a name at its start or end


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of a string: their spans, and the keys by which they are compared."""

    spans: list[Span]
    keys: list[str]

    @classmethod
    def of(cls, text: str) -> _Words:
        spans = [found.span() for found in _WORD.finditer(text)]
        return cls(spans, [_key(text[start:end]) for start, end in spans])

    def within(self, span: Span) -> Span:
        """Words that a character span overlaps: the first, and one past the last."""
        first = bisect_right(self.spans, span[0], key=itemgetter(1))
        after = bisect_left(self.spans, span[1], key=itemgetter(0))
        return (first, after) if first < after else (0, 0)


def mark_for(text: str) -> str:
    """The first of ``MARKS`` that does not occur in the text."""
    return next((mark for mark in MARKS if mark[0] not in text), MARKS[0])


def align(answer: str, text: str, mark: str = MARKS[0]) -> list[Span]:
    """Find the spans of a text that are marked in a copy of it.

    Args:
        answer: The copy, as the model wrote it.
        text: The original.
        mark: Mark right before and after a name: a character, twice.

    Returns:
        Character spans of ``text``, end exclusive, ordered by start, then end, deduplicated. What
        cannot be placed is dropped; no answer raises an error.
    """
    copy, marked = strip_marks(answer, mark)
    if not marked:
        return []
    if copy.strip() == text.strip():
        shift = len(text) - len(text.lstrip()) - (len(copy) - len(copy.lstrip()))
        # White space at the edges may be marked, and there may be more of it than in the text.
        spans = [(max(0, start + shift), min(len(text), end + shift)) for start, end in marked]
    else:
        spans = _place(_Words.of(copy), _Words.of(text), marked)
    trimmed = {_trim(text, span) for span in spans}
    return sorted((start, end) for start, end in trimmed if start < end)


def strip_marks(answer: str, mark: str) -> tuple[str, list[Span]]:
    """Remove the marks from an answer; also return the spans of the result that they enclosed."""
    sign = re.escape(mark[0])
    inside = rf"((?:(?!{sign}{{2}}).){{1,{_LONGEST}}}?)"
    # Runs of marks and spaces are matched possessively (+ after the number), or thousands of them
    # would cause catastrophic backtracking.
    run = rf"(?<!{sign}){sign}{{2,}}+"
    # Tight marks first: a mark with space on its inner side may be a closing mark mistaken for an
    # opening one. Loose marks are read only if there are no tight ones.
    tight = rf"{run}(?!\s){inside}(?<!\s){sign}{{2,}}+"
    loose = rf"{run}[ \t]*+(?!{sign}){inside}[ \t]*+{sign}{{2,}}+"
    found = list(re.finditer(tight, answer, re.DOTALL)) or list(re.finditer(loose, answer))
    stray = re.compile(rf"{sign}{{2,}}")
    parts, length, position, spans = [], 0, 0, []
    for each in found:
        parts.append(stray.sub("", answer[position : each.start()]))
        start = length + len(parts[-1])
        length = start + len(each[1])
        spans.append((start, length))
        parts.append(each[1])
        position = each.end()
    return "".join([*parts, stray.sub("", answer[position:])]), spans


def _place(copy: _Words, text: _Words, marked: Sequence[Span]) -> list[Span]:
    """Place marked spans of an unfaithful copy: by a diff of words, else by searching for them."""
    here, there = Counter(copy.keys), Counter(text.keys)
    # The diff would compare a word that is frequent in both at every occurrence; such a word is
    # placed by its neighbors.
    everywhere = {word for word in here if here[word] * there[word] > _PAIRS}
    matcher = SequenceMatcher(everywhere.__contains__, copy.keys, text.keys, autojunk=False)
    places = {
        block.a + step: block.b + step
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    }
    taken: list[Span] = []
    unclaimed = _Unclaimed(text.keys)
    for first, after in dict.fromkeys(map(copy.within, marked)):  # marks in one word are merged
        if first == after:
            continue
        found = _same_words(places, first, after) or _in_between(copy, text, places, first, after)
        found = found or unclaimed.place(copy.keys[first:after], taken[-1][1] if taken else 0)
        if found:
            taken.append(found)
            unclaimed.take(found)
    return [(text.spans[first][0], text.spans[after - 1][1]) for first, after in taken]


def _same_words(places: dict[int, int], first: int, after: int) -> Span | None:
    """Words of the text that the diff pairs with a run of words, if they are a run too."""
    start = places.get(first, -1)
    run = all(places.get(word, -2) == start + word - first for word in range(first, after))
    return (start, start + after - first) if run else None


def _in_between(
    copy: _Words, text: _Words, places: dict[int, int], first: int, after: int
) -> Span | None:
    """What the text has between the neighbors of an altered name, if it resembles the name."""
    before = places.get(first - 1, -1 if first == 0 else None)
    behind = places.get(after, len(text.keys) if after == len(copy.keys) else None)
    if before is None or behind is None or before + 1 >= behind:
        return None
    said, meant = " ".join(copy.keys[first:after]), " ".join(text.keys[before + 1 : behind])
    shorter, longer = sorted((len(said), len(meant)))
    if 2 * shorter < longer or longer > 2 * _LONGEST:
        return None
    alike = SequenceMatcher(None, said, meant, autojunk=False).ratio() >= _MIN_SIMILARITY
    return (before + 1, behind) if alike else None


class _Unclaimed:
    """Verbatim occurrences of names in a text that are not taken yet.

    Args:
        keys: The words of the text.
    """

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._taken = bytearray(len(keys))
        self._places: dict[str, list[int]] = {}
        self._first: dict[str, int] = {}  # index into a word's places; those before it are taken
        for place, key in enumerate(keys):
            self._places.setdefault(key, []).append(place)

    def take(self, words: Span) -> None:
        """Mark words as taken by a name."""
        first, after = words
        self._taken[first:after] = b"\1" * (after - first)

    def place(self, name: list[str], last: int) -> Span | None:
        """First free place of a name after the last one taken, or else the first overall."""
        places = self._places.get(name[0], [])
        first = self._first.get(name[0], 0)
        while first < len(places) and self._taken[places[first]]:
            first += 1
        self._first[name[0]] = first
        behind = max(first, bisect_left(places, last))
        for number in chain(range(behind, len(places)), range(first, behind)):
            words = slice(places[number], places[number] + len(name))
            if self._keys[words] == name and not any(self._taken[words]):
                return words.start, words.stop
        return None


def _key(word: str) -> str:
    """Reduce a word to a key without case, accents and compatibility forms."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return plain or word


def _trim(text: str, span: Span) -> Span:
    inner = text[span[0] : span[1]]
    start = span[0] + len(inner) - len(inner.lstrip(_EDGE))
    return start, max(start, span[1] - (len(inner) - len(inner.rstrip(_EDGE))))
