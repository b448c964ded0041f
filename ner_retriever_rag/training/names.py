"""Names and their types: from definitions to an encoder's lookup table of known names."""

from __future__ import annotations

import html
import json
import lzma
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ner_retriever_rag.encoder.names import EncodeTypes, KnownNames, NameTable, name_key
from ner_retriever_rag.reading.sentences import sentences
from ner_retriever_rag.training.articles import Article, HeldOut
from ner_retriever_rag.training.contexts import surface
from ner_retriever_rag.training.phrases import TypePhrase

NAMES = "names.jsonl.xz"
MIN_ENTRIES = 3  # a phrase gets its own vector if at least this many entries end in it
MAX_TYPES = 5  # types of a name; a name of more things than that ("John", "USS") says little
_COPULA = re.compile(r"\s(?:is|was|are|were)\s")
_NAME = r"(?:the |The )?[\"“]?([A-Z0-9][^,;:()\"”\[\]]*?)[\"”]?"
_END = r"(?=\s*(?:[,;()\"”\[\]]|$|\sor\s|\sin\s|\sby\s))"
_SUBJECT = re.compile(_NAME + _END)
_OTHER = re.compile(
    r"(?:\bor|\b(?:known|called|abbreviated|nicknamed|stylized|credited)"
    rf"(?: simply| professionally| mononymously)?(?: as| to)?) {_NAME}{_END}"
)
_ACRONYM = re.compile(r"\(([A-Z][A-Z0-9&.-]{1,8})[);,]")
MAX_WORDS = 8


@dataclass(frozen=True, slots=True)
class KnownName:
    """A name and the types that definitions give its bearers.

    Attributes:
        name: As written.
        types: Type phrases of everything that bears the name.
        alias: Whether it is not an article's title but another name from its first sentence.
    """

    name: str
    types: tuple[str, ...]
    alias: bool = False


def known_names(
    articles: Iterable[Article],
    definitions: Mapping[str, Sequence[TypePhrase]],
    held_out: HeldOut,
) -> list[KnownName]:
    """Names of all articles with a definition, homonyms merged.

    Args:
        articles: All articles.
        definitions: Maps titles to types.
        held_out: If one of an article's first sentences is held out, its names are left out.
    """
    leads: dict[str, list[str]] = {}
    for article in tqdm(articles, desc="collect names"):
        if article.title in definitions:
            leads.setdefault(article.title, []).append(next(sentences(article.text), ""))
    found: dict[tuple[str, bool], dict[str, None]] = {}
    for title, firsts in leads.items():
        if any(first in held_out for first in firsts):
            continue
        types = [phrase.text for phrase in definitions[title]]
        titles = [surface(title)] + [title] * ("(" not in title and title != surface(title))
        aliases = dict.fromkeys(a for first in firsts for a in other_names(title, first))
        for name, alias in [(t, False) for t in titles] + [(a, True) for a in aliases]:
            found.setdefault((name, alias), {}).update(dict.fromkeys(types))
    return [
        KnownName(name, tuple(types), alias)
        for (name, alias), types in found.items()
        if any(c.isalpha() for c in name) and len(name.split()) <= MAX_WORDS
    ]


def other_names(title: str, lead: str) -> Iterator[str]:
    """The names that a definition gives its subject besides the title.

    "The Army Medical Museum (AMM), also known as the Old Red, was ..." gives AMM and Old Red.
    """
    copula = _COPULA.search(lead)
    before = html.unescape(lead[: copula.start() if copula else 0])[:250]
    key = name_key(surface(title))
    words = set(key.split())
    for pattern in (_SUBJECT, _OTHER, _ACRONYM):
        for found in pattern.finditer(before):
            if pattern is _SUBJECT and (
                found.start() or not words & set(name_key(found[1]).split())
            ):
                continue
            name = found[1].strip()
            if name_key(name) != key and 1 < len(name) and len(name.split()) <= 6:
                yield name


def write_mined(path: Path, names: Iterable[KnownName]) -> None:
    """Write names as JSON Lines."""
    with lzma.open(path, "wt", encoding="utf-8", preset=1) as out:
        for each in names:
            row = {"name": each.name, "types": each.types, "alias": each.alias}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_mined(path: Path) -> Iterator[KnownName]:
    """Read the output of :func:`write_mined`."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield KnownName(row["name"], tuple(row["types"]), row["alias"])


def train_names(path: Path, encode: EncodeTypes, *, least: int = MIN_ENTRIES) -> KnownNames:
    """Build an encoder's table of known names from mined ones.

    Args:
        path: The file of mined names.
        encode: Encodes type descriptions.
        least: A phrase in which fewer than this many of the names' phrases end is shortened to its
            longest suffix that reaches the count: few rare phrases are worth storing a vector.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it holds no name.
    """
    names: dict[str, dict[str, None]] = {}
    for each in read_mined(path):
        types = (phrase.lower() for phrase in each.types)
        names.setdefault(name_key(each.name), {}).update(dict.fromkeys(types))
    frequent = _frequent(names.values(), least)
    cut = {name: list(dict.fromkeys(map(frequent, types))) for name, types in names.items()}
    table = {name: types for name, types in cut.items() if len(types) <= MAX_TYPES}
    return KnownNames(NameTable.build(table, encode))


def _frequent(types: Iterable[Iterable[str]], least: int) -> Callable[[str], str]:
    """Return a function that cuts a phrase to its longest frequent suffix, or its last word."""
    ends = Counter(end for phrases in types for phrase in phrases for end in _suffixes(phrase))

    def cut(phrase: str) -> str:
        *longer, last = _suffixes(phrase)
        return next((end for end in longer if ends[end] >= least), last)

    return cut


def _suffixes(phrase: str) -> list[str]:
    words = phrase.split()
    return [" ".join(words[i:]) for i in range(len(words))]
