"""Identifiers in texts; their form says what they are. Changelogs and manuals are full of them."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ner_retriever_rag.detection.patterns import IDENTIFIERS, find_patterns
from ner_retriever_rag.schema import Span
from ner_retriever_rag.training.judgements import Detect
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.occurrences import Kind, kindred, occurrences, overlaps

_SHELL = "environment variable"
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
    "variable": ("constant", "name of a variable"),
    "identifier": ("name of a function or variable", "function name", "function"),
    "error": ("error code", "error", "exception"),
    "number": ("reference number", "ticket number", "order number"),
    "version": ("software version", "version number", "version"),
    "phone": ("phone number", "telephone number"),
}
# Kinds that are hard to tell apart, or of which one may be the other: not negatives.
_KINDRED = [
    {"path", "file", "url"}, {"identifier", "variable", "error", _SHELL},
    {"hash", "uuid", "number", "version"},
]  # fmt: skip
_TEXTS = 6_000  # most texts to use
_LENGTH = range(60, 600)  # characters of a paragraph
_PARAGRAPHS = 300  # paragraphs per file
_BYTES = 200_000  # bytes read per file


def identifiers_in(texts: Iterable[str], detect: Detect) -> dict[str, Kind]:
    """The identifiers in texts, by kind.

    Variables occur twice: as they are, and as shells refer to them ("$HOME"), which is rare in
    manuals.

    Args:
        texts: Texts, of which those with identifiers are used.
        detect: Detects mentions in texts.
    """
    kinds = {kind: Kind(names, kindred(kind, _KINDRED)) for kind, names in _NAMES.items()}
    spans: dict[str, dict[str, list[Span]]] = {}
    for text in texts:
        for each in find_patterns(text, IDENTIFIERS):
            spans.setdefault(text, {}).setdefault(each.kind, []).append((each.start, each.end))
    some = random.Random(0).sample(list(spans), min(_TEXTS, len(spans)))
    for text, mentions in zip(some, detect(some), strict=True):
        of_kind = spans[text]
        every = [span for found in of_kind.values() for span in found]
        plain = [each for each in mentions if not overlaps(each, every)]
        for kind, found in of_kind.items():
            unlike = of_kind.keys() - {kind} - kinds[kind].kindred
            others = [span for other in of_kind if other in unlike for span in of_kind[other]]
            kinds[kind].occurrences += occurrences(text, found, [*others, *plain])
    kinds[_SHELL] = Kind((_SHELL,), kinds["variable"].kindred - {_SHELL} | {"variable"}, [
        replace(each, mention=_referenced(each.mention)) for each in kinds["variable"].occurrences
    ])  # fmt: skip
    return kinds


def _referenced(variable: MentionContext) -> MentionContext:
    """A variable as shells refer to it."""
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
