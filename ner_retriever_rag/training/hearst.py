"""Lists of instances of a type, found by patterns: "fruits such as apples, pears and figs".

The patterns are those of Hearst (1992, "Automatic acquisition of hyponyms from large text
corpora"). The words that name the type are removed from the sentence ("they sell apples, pears and
figs"), so that the type has to be told from the instances and their context. Types found like this
are often roles ("side effect", "ingredient") and the instances common nouns; the definitions of
articles give neither.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from ner_retriever_rag.reading.text_files import open_text
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.phrases import plural_type

LISTS = "lists.jsonl.xz"
_LENGTH = range(40, 500)  # characters of a sentence
_WORDS = re.compile(r" such as | including | other ")  # every pattern has one of these
_BEFORE = re.compile(r",? (?:such as|including) (?=\w)")  # the type, then its instances
_AFTER = re.compile(r",? (?:and|or) other ((?:[a-z][\w-]* ){0,2}[a-z][a-z-]+s)\b")
_ARTICLE = re.compile(r"\s*(?:the |an? )?")
_BETWEEN = re.compile(r"\s*(?:,|,? ?(?:and|or)|&)\s*(?:the |an? )?")


@dataclass(frozen=True, slots=True)
class ListedType:
    """A type, and a sentence that lists instances of it.

    Attributes:
        type: The type, singular.
        text: The sentence without the words that name the type.
        place: Offset in ``text`` where they were.
        after: Whether the instances end at ``place``; otherwise they start there.
    """

    type: str
    text: str
    place: int
    after: bool


def lists_in(sentence: str) -> list[ListedType]:
    """The lists of instances in a sentence.

    Raises:
        ImportError: If ``textblob`` is not installed.
    """
    if len(sentence) not in _LENGTH or not _WORDS.search(sentence):
        return []
    found = []
    for pattern in _BEFORE.finditer(sentence):
        if (phrase := plural_type(sentence[: pattern.start()])) is not None:
            # The type as written has as many words as its singular.
            words = re.compile(rf"(?:\S+\s+){{{len(phrase.words) - 1}}}\S+$")
            if written := words.search(sentence, 0, pattern.start()):
                text = sentence[: written.start()] + sentence[pattern.end() :]
                found.append(ListedType(phrase.text, text, written.start(), False))
    for pattern in _AFTER.finditer(sentence):
        if (phrase := plural_type(pattern[1])) is not None:
            text = sentence[: pattern.start()] + sentence[pattern.end() :]
            found.append(ListedType(phrase.text, text, pattern.start(), True))
    return found


def instances(listed: ListedType, mentions: Sequence[Span]) -> list[Span]:
    """The mentions of a sentence that are in its list of instances.

    A list begins (or ends) where the type was removed, and goes on as long as nothing but commas,
    conjunctions and articles separates one mention from the next; of nested mentions, the longest
    counts.

    Args:
        listed: The sentence.
        mentions: The mentions found in its text.
    """
    text = listed.text
    found: list[Span] = []
    last, first = listed.place, True
    while True:
        separator = _ARTICLE if first else _BETWEEN
        if listed.after:
            limit = max((b for _, b in mentions if b <= last), default=0)
            next_ones = [(a, b) for a, b in mentions if b == limit]
            between = text[limit:last]
        else:
            limit = min((a for a, _ in mentions if a >= last), default=len(text))
            next_ones = [(a, b) for a, b in mentions if a == limit]
            between = text[last:limit]
        if not next_ones or not separator.fullmatch(between):
            return found
        found.append(max(next_ones, key=lambda span: span[1] - span[0]))
        last, first = found[-1][0 if listed.after else 1], False


def write_lists(path: Path, lists: Sequence[ListedType]) -> None:
    """Write lists, one JSON array per line."""
    with lzma.open(path, "wt", encoding="utf-8", preset=1) as out:
        for each in lists:
            out.write(json.dumps(astuple(each), ensure_ascii=False) + "\n")


def read_lists(folder: str | Path) -> Iterator[ListedType]:
    """Read the lists of a mined folder.

    Raises:
        FileNotFoundError: If the folder has none.
    """
    path = Path(folder) / LISTS
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no lists: run `ner-retriever train mine` again")
    with open_text(path) as lines:
        for line in lines:
            yield ListedType(*json.loads(line))
