"""Reading articles, and what of them is held out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ner_retriever_rag._imports import require
from ner_retriever_rag.reading.text_files import open_text


@dataclass(frozen=True, slots=True)
class Article:
    """A title and its text, paragraphs on lines of their own."""

    title: str
    text: str


def read_articles(source: str | Path) -> Iterator[Article]:
    """Read articles from a file of JSON lines or from a Hugging Face data set.

    Args:
        source: ``*.jsonl``, plain or compressed, with ``title`` and ``text`` a line; or, when no
            such file exists, ``name[:config[:split]]`` of a data set with those columns, for
            example ``wikimedia/wikipedia:20231101.en``.

    Raises:
        ImportError: If a data set is asked for and ``datasets`` is not installed.
        ValueError: If a line has no title or no text.
    """
    path = Path(source)
    if path.exists():
        with open_text(path) as lines:
            yield from _parse(lines, path)
        return
    if ".jsonl" in path.name:
        raise FileNotFoundError(f"no such file: {path}")
    name, config, split = (*str(source).split(":"), None, None)[:3]
    datasets = require("datasets", extra="eval")
    for row in datasets.load_dataset(name, config, split=split or "train", streaming=True):
        yield Article(row["title"], row["text"])


def _parse(lines: IO[str], path: Path) -> Iterator[Article]:
    for number, line in enumerate(lines, 1):
        row = json.loads(line)
        if not isinstance(row, dict) or not {"title", "text"} <= row.keys():
            raise ValueError(f"{path}:{number}: an article needs 'title' and 'text'")
        yield Article(row["title"], row["text"])


def fingerprint(sentence: str) -> str:
    """What two copies of a sentence share whatever their spacing, case and punctuation."""
    return re.sub(r"\W+", "", sentence).casefold()


class HeldOut:
    """Sentences that must not be trained on, with copies that differ in spacing or in a few words.

    A sentence counts as held out when it is one of them up to spacing, case and punctuation, or
    shares ten words in a row with one.
    """

    RUN = 10

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Remember ``texts``."""
        self._whole: set[str] = set()
        self._runs: set[int] = set()
        for text in texts:
            self._whole.add(fingerprint(text))
            self._runs.update(self._runs_of(text))

    def _runs_of(self, text: str) -> Iterator[int]:
        words = re.findall(r"\w+", text.casefold())
        for i in range(len(words) - self.RUN + 1):
            yield hash(tuple(words[i : i + self.RUN]))

    def __contains__(self, sentence: str) -> bool:
        """Whether ``sentence`` is, or overlaps, a held-out one."""
        return fingerprint(sentence) in self._whole or any(
            run in self._runs for run in self._runs_of(sentence)
        )

    @classmethod
    def from_files(cls, paths: Iterable[str | Path]) -> HeldOut:
        """Read the ``text`` of every line of JSON-lines files."""
        return cls(
            json.loads(line)["text"]
            for path in paths
            for line in Path(path).read_text(encoding="utf-8").splitlines()
        )
