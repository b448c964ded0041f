"""Find mentions of the articles' entities in the sentences of all articles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ner_retriever_rag._imports import require
from ner_retriever_rag.reading.sentences import sentences
from ner_retriever_rag.training.articles import Article

_PARENTHESIS = re.compile(r"\s*\([^)]*\)$")
_WORD = re.compile(r"[^\W\d_]+")
_PRONOUN = re.compile(r"\b(he|she|his|her)\b", re.IGNORECASE)
_BEFORE = re.compile(r"([A-Z][\w.'’-]*)\s$")
_CONTINUES = re.compile(r"\w|-\w")
_AFTER = re.compile(r"\s(?:[A-Z][\w'’-]*|of [A-Z])")
# Capitalized because they open a sentence, not because they are part of a name.
_OPENING = set(
    """
    The A An In On At He She It When While After Before For From With As But And Both Since
    During By Like This That These Although Former Some Many Other
    """.split()
)
_SUFFIXES = {"Jr.", "Jr", "Sr.", "Sr", "I", "II", "III", "IV", "V"}
MAX_SENTENCE, MIN_SENTENCE = 320, 30


@dataclass(frozen=True, slots=True)
class EntityMatch:
    """A known entity at ``sentence[start:end]``."""

    start: int
    end: int
    entity: str


def surface(title: str) -> str:
    """The name of an article's subject in running text: "Cabaret (1972 film)" -> "Cabaret"."""
    return _PARENTHESIS.sub("", title).split(", ")[0].strip()


def family_name(article: Article) -> str | None:
    """The last word of a person's name, as used in their own article; None if not a person."""
    words = surface(article.title).split()
    if words and words[-1] in _SUFFIXES:
        words.pop()
    if not 2 <= len(words) <= 4 or not all(w[0].isupper() for w in (words[0], words[-1])):
        return None
    lead = article.text[:700]
    if words[0] == "The" or len(_PRONOUN.findall(lead)) < 2 or len(words[-1]) < 4:
        return None
    return words[-1]


class WordCaseCounts:
    """Case-sensitive word counts of a corpus, which tell which titles are common nouns."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Count the words of ``texts``."""
        self._count = Counter(word for text in texts for word in _WORD.findall(text))

    def is_common(self, word: str) -> bool:
        """Whether ``word`` occurs lower-cased over 3 times and over 10% as often as capitalized."""
        lower = self._count[word.lower()]
        return lower > 3 and lower > 0.1 * self._count[word.capitalize()]


def surfaces(titles: Iterable[str], common: WordCaseCounts) -> dict[str, tuple[str, int]]:
    """The strings to search for to find each title, and the length of the mention in each.

    Excluded are strings shared by two titles (homonyms), titles without letters, and capitalized
    common words.

    Returns:
        Maps a string to ``(title, length)``; the mention is its first ``length`` characters.
    """
    found: dict[str, tuple[str, int]] = {}
    shared: set[str] = set()

    def add(text: str, title: str, length: int) -> None:
        if found.setdefault(text, (title, length))[0] != title:
            shared.add(text)

    for title in titles:
        name = surface(title)
        words = name.split()
        if len(name) < 3 or not any(c.isalpha() for c in name) or len(words) > 8:
            continue
        if "," in title and not title.endswith(")"):
            add(title, title, len(name))
            if len(words) == 1:
                continue  # "Aberdeen" alone is ambiguous
        if len(words) == 1:
            if common.is_common(name):
                if title == name and name.isalpha():
                    add(name.lower(), title, len(name))
                continue
            add(name, title, len(name))
        else:
            add(name, title, len(name))
            rest = " ".join(words[1:])
            if rest.islower() and common.is_common(words[0]):
                add(name[0].lower() + name[1:], title, len(name))
    return {text: value for text, value in found.items() if text not in shared}


class EntityFinder:
    """Finds the longest known names in a sentence with an Aho-Corasick automaton."""

    def __init__(self, names: Mapping[str, tuple[str, int]]) -> None:
        """Build the automaton from the result of :func:`surfaces`.

        Raises:
            ImportError: If ``pyahocorasick`` is not installed.
        """
        self._automaton = require("ahocorasick", extra="train").Automaton()
        for text, (title, length) in names.items():
            self._automaton.add_word(text, (len(text), title, length))
        self._automaton.make_automaton()

    def find(self, sentence: str) -> list[EntityMatch]:
        """Names in a sentence: leftmost-longest, whole words, no fragments of longer names."""
        hits: list[tuple[int, int, str, int]] = []
        for last, (width, title, length) in self._automaton.iter(sentence):
            start, end = last + 1 - width, last + 1
            if sentence[max(0, start - 1) : start].isalnum() or _CONTINUES.match(sentence, end):
                continue
            hits.append((start, -end, title, length))
        hits.sort()
        found: list[EntityMatch] = []
        reached = 0
        for start, minus_end, title, length in hits:
            if start < reached:
                continue
            reached = -minus_end
            if sentence[start].islower() or not self._is_part(sentence, start, reached):
                found.append(EntityMatch(start, start + length, title))
        return found

    @staticmethod
    def _is_part(sentence: str, start: int, end: int) -> bool:
        """Whether a capitalized neighbor shows that the name is part of a longer one."""
        if start and sentence[start - 1] == "-":
            return True
        before = _BEFORE.search(sentence, max(0, start - 30), start)
        if before and not (before.start() == 0 and before[1] in _OPENING):
            return True
        return _AFTER.match(sentence, end) is not None


def find_name(sentence: str, name: str) -> tuple[int, int] | None:
    """The span of ``name`` if it occurs exactly once, without capitalized neighbors."""
    found = [m.span() for m in re.finditer(rf"(?<!\w){re.escape(name)}(?![\w-])", sentence)]
    if len(found) != 1 or EntityFinder._is_part(sentence, *found[0]):
        return None
    return found[0]


def usable_sentences(article: Article) -> Iterator[tuple[int, str]]:
    """The sentences of an article that are neither too short nor too long, with their index."""
    for number, sentence in enumerate(sentences(article.text)):
        if MIN_SENTENCE <= len(sentence) <= MAX_SENTENCE:
            yield number, sentence
