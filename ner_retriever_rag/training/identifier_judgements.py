"""Training pairs from identifiers, which patterns find and whose form says what they are.

Changelogs and manuals are full of them. Negatives are identifiers of other kinds, and other
mentions of texts with identifiers.
"""

from __future__ import annotations

import gzip
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ner_retriever_rag.detection.patterns import IDENTIFIERS, find_patterns
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.judgements import Judgements, varied
from ner_retriever_rag.training.mined import MentionContext

_ENVIRONMENT = "environment variable"
_NAMES = {
    "url": ("web address", "URL", "link"),
    "email": ("email address", "e-mail address"),
    "ip": ("IP address",),
    "mac": ("MAC address",),
    "uuid": ("unique identifier", "UUID"),
    "hash": ("hash value", "checksum", "commit hash"),
    "path": ("file path", "path", "directory"),
    "file": ("file name", "file"),
    "flag": ("command-line option", "command-line flag", "option of a command"),
    "variable": (_ENVIRONMENT, "constant"),
    "identifier": ("name of a function or variable", "function name", "function"),
    "error": ("error code", "error", "exception"),
    "number": ("reference number", "ticket number", "order number"),
    "version": ("software version", "version number", "version"),
    "phone": ("phone number", "telephone number"),
}
# Kinds that are hard to tell apart, or of which one may be the other: not negatives.
_KINDRED = [
    {"path", "file", "url"}, {"identifier", "variable", "error"},
    {"hash", "uuid", "number", "version"},
]  # fmt: skip
_LEAST = 5  # identifiers of a kind
_OTHER_TEXTS = 3_000  # texts in which other mentions are detected
_OTHER_KINDS = 3  # negatives that are identifiers
_LENGTH = range(60, 600)  # characters of a paragraph
_PARAGRAPHS = 300  # paragraphs per file
_BYTES = 200_000  # bytes read per file


class IdentifierSource:
    """Judged pairs of an identifier's kind and mentions.

    Args:
        texts: Texts, of which those with identifiers are used.
        detect: Detects mentions in texts.
        size: Number of pairs drawn together.

    Raises:
        ValueError: If the texts have identifiers of fewer than two kinds, or no other mentions.
    """

    def __init__(
        self,
        texts: Iterable[str],
        detect: Callable[[Sequence[str]], Iterable[Sequence[Span]]],
        size: int,
    ) -> None:
        self._size = size
        found: defaultdict[str, list[MentionContext]] = defaultdict(list)
        spans: dict[str, list[Span]] = {}
        for text in texts:
            for each in find_patterns(text, IDENTIFIERS):
                found[each.kind].append(MentionContext(text, each.start, each.end))
                spans.setdefault(text, []).append((each.start, each.end))
        self._by_kind = {kind: found[kind] for kind in sorted(found) if len(found[kind]) >= _LEAST}
        some = random.Random(0).sample(list(spans), min(_OTHER_TEXTS, len(spans)))
        self._others = [
            MentionContext(text, start, end)
            for text, mentions in zip(some, detect(some), strict=True)
            for start, end in mentions
            if not any(a < end and b > start for a, b in spans[text])
        ]
        if len(self._by_kind) < 2 or not self._others:
            raise ValueError("the texts have too few identifiers or no other mentions")

    def draw(self, rng: random.Random) -> Judgements:
        """Draw a kind, an identifier or two of it, and mentions that are none."""
        kind = rng.choice(list(self._by_kind))
        kindred = {each for family in _KINDRED if kind in family for each in family}
        unlike = [each for each in self._by_kind if each not in kindred and each != kind]
        name = rng.choice(_NAMES[kind])
        right = rng.choices(self._by_kind[kind], k=rng.choice((1, 1, 2)))
        if name == _ENVIRONMENT:
            right = [_referenced(each) for each in right]
        wrong = [
            rng.choice(self._by_kind[rng.choice(unlike)])
            for _ in range(_OTHER_KINDS if unlike else 0)
        ]
        wrong += rng.choices(self._others, k=self._size - len(right) - len(wrong))
        return Judgements.of_description(varied(name, rng), right, wrong)


def _referenced(variable: MentionContext) -> MentionContext:
    """A variable as shells refer to it: "$HOME" is rare in manuals, HOME_DIR is not."""
    text, start = variable.text, variable.start
    if text[start] in "$%":
        return variable
    return replace(variable, text=f"{text[:start]}${text[start:]}", end=variable.end + 1)


def paragraphs_of(folder: str | Path, rng: random.Random, count: int = 30_000) -> list[str]:
    """Sample paragraphs of the text files under a folder, such as Debian's ``/usr/share/doc``.

    Args:
        folder: The folder; files that end in ``.gz`` are decompressed, binary ones skipped.
        rng: Random generator.
        count: Maximum number of paragraphs.
    """
    every = [each for path in sorted(Path(folder).rglob("*")) for each in _paragraphs(path)]
    return rng.sample(every, min(count, len(every)))


def _paragraphs(path: Path) -> Iterator[str]:
    if not path.is_file() or path.name == "copyright":
        return
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(_BYTES)
    except (OSError, EOFError):  # unreadable, or no gzip file in spite of its name
        return
    if b"\0" in raw:
        return
    pieces = re.split(r"\n\s*\n", raw.decode("utf-8", errors="ignore"))
    for piece in pieces[:_PARAGRAPHS]:
        text = " ".join(piece.split())
        if len(text) in _LENGTH and not text.startswith("."):  # a request of nroff
            yield text
