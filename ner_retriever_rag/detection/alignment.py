"""From a text that a model has copied with marks around the names, back to spans of the text.

Models do not copy faithfully: they drop words, mend spelling, change case, chat, or list the names
and nothing else. What a mark encloses is taken only where it can be told which words of the text
are meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ner_retriever_rag.schema import Span

# One of them is used whose character the text does not hold.
MARKS = ("##", "@@", "%%", "~~", "§§", "¦¦")
_LONGEST = 200  # characters between two marks; a longer stretch is a mark that was not closed
_ALIKE = 0.8  # least similarity of a name to the words it stands in for
# Scripts written without spaces, where every character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+|[^\w\s]")
_EDGE = ' \t\r\n,;:"“”„«»'  # never part of a name when it comes first or last


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of a string: where they are, and what is compared of them."""

    spans: list[Span]
    keys: list[str]

    @classmethod
    def of(cls, text: str) -> _Words:
        spans = [found.span() for found in _WORD.finditer(text)]
        return cls(spans, [_key(text[start:end]) for start, end in spans])

    def within(self, span: Span) -> Span:
        """The words that a character span touches: first, and one past the last."""
        touched = [
            number
            for number, (start, end) in enumerate(self.spans)
            if start < span[1] and span[0] < end
        ]
        return (touched[0], touched[-1] + 1) if touched else (0, 0)


def mark_for(text: str) -> str:
    """The first of ``MARKS`` that cannot be taken for part of the text."""
    return next((mark for mark in MARKS if mark[0] not in text), MARKS[0])


def align(answer: str, text: str, mark: str = MARKS[0]) -> list[Span]:
    """Find the spans of a text that a marked copy of it marks.

    Args:
        answer: The copy, as the model wrote it.
        text: The original.
        mark: What stands right before and after a name: a character, twice.

    Returns:
        Character spans of ``text``, end exclusive, in order of start, then end, each once. What
        cannot be placed is left out; nothing is raised, whatever the answer.
    """
    copy, marked = take_out_marks(answer, mark)
    if not marked:
        return []
    if copy.strip() == text.strip():
        shift = len(text) - len(text.lstrip()) - (len(copy) - len(copy.lstrip()))
        spans = [(start + shift, end + shift) for start, end in marked]
    else:
        spans = _place(_Words.of(copy), _Words.of(text), marked)
    trimmed = {_trim(text, span) for span in spans}
    return sorted((start, end) for start, end in trimmed if start < end)


def take_out_marks(answer: str, mark: str) -> tuple[str, list[Span]]:
    """An answer without its marks, and the spans of that which they enclosed."""
    sign = re.escape(mark[0])
    inside = rf"((?:(?!{sign}{{2}}).){{1,{_LONGEST}}}?)"
    # Tight marks first: a mark with space on its inner side may be a closing one taken for an
    # opening one. Only where there is none of them are loose ones read.
    tight = rf"{sign}{{2,}}(?![{sign}\s]){inside}(?<!\s){sign}{{2,}}"
    loose = rf"{sign}{{2,}}[ \t]*(?!{sign}){inside}[ \t]*{sign}{{2,}}"
    found = list(re.finditer(tight, answer, re.DOTALL)) or list(re.finditer(loose, answer))
    stray = re.compile(rf"{sign}{{2,}}")
    copy, position, spans = "", 0, []
    for each in found:
        copy += stray.sub("", answer[position : each.start()])
        spans.append((len(copy), len(copy) + len(each[1])))
        copy += each[1]
        position = each.end()
    return copy + stray.sub("", answer[position:]), spans


def _place(copy: _Words, text: _Words, marked: Sequence[Span]) -> list[Span]:
    """Place marked spans of an unfaithful copy: by a diff of words, else by looking for them."""
    matcher = SequenceMatcher(None, copy.keys, text.keys, autojunk=False)
    places = {
        block.a + step: block.b + step
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    }
    taken: list[Span] = []
    for span in marked:
        first, after = copy.within(span)
        if first == after:
            continue
        found = _same_words(places, first, after) or _in_between(copy, text, places, first, after)
        found = found or _elsewhere(text.keys, copy.keys[first:after], taken)
        if found:
            taken.append(found)
    return [(text.spans[first][0], text.spans[after - 1][1]) for first, after in taken]


def _same_words(places: dict[int, int], first: int, after: int) -> Span | None:
    """The words of the text that the diff pairs with a run of words, if they are a run too."""
    start = places.get(first, -1)
    run = all(places.get(word, -2) == start + word - first for word in range(first, after))
    return (start, start + after - first) if run else None


def _in_between(
    copy: _Words, text: _Words, places: dict[int, int], first: int, after: int
) -> Span | None:
    """What the text has between the neighbours of an altered name, if it looks like the name."""
    before = places.get(first - 1, -1 if first == 0 else None)
    behind = places.get(after, len(text.keys) if after == len(copy.keys) else None)
    if before is None or behind is None or before + 1 >= behind:
        return None
    said, meant = " ".join(copy.keys[first:after]), " ".join(text.keys[before + 1 : behind])
    if 2 * min(len(said), len(meant)) < max(len(said), len(meant)):
        return None
    alike = SequenceMatcher(None, said, meant, autojunk=False).ratio() >= _ALIKE
    return (before + 1, behind) if alike else None


def _elsewhere(keys: list[str], name: list[str], taken: list[Span]) -> Span | None:
    """The first free place where the text has the name word for word, after the last one taken."""
    size = len(name)
    places = [
        (start, start + size)
        for start in range(len(keys) - size + 1)
        if keys[start : start + size] == name
        and not any(start < end and begin < start + size for begin, end in taken)
    ]
    last = taken[-1][1] if taken else 0
    return next((place for place in places if place[0] >= last), next(iter(places), None))


def _key(word: str) -> str:
    """A word without case, accents and compatibility forms."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return plain or word


def _trim(text: str, span: Span) -> Span:
    inner = text[span[0] : span[1]]
    start = span[0] + len(inner) - len(inner.lstrip(_EDGE))
    return start, max(start, span[1] - (len(inner) - len(inner.rstrip(_EDGE))))
