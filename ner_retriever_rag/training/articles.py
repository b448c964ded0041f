"""Read articles, and exclude held-out sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ner_retriever_rag._imports import require
from ner_retriever_rag.reading.text_files import open_text

_PARAGRAPH = range(200, 1_201)  # characters


@dataclass(frozen=True, slots=True)
class Article:
    """A title and its text, one paragraph per line."""

    title: str
    text: str


def read_articles(source: str | Path) -> Iterator[Article]:
    """Read articles from a JSON Lines file or from a Hugging Face dataset.

    Args:
        source: ``*.jsonl``, plain or compressed, with ``title`` and ``text`` on each line; or, if
            no such file exists, ``name[:config[:split]]`` of a dataset with those columns, for
            example ``wikimedia/wikipedia:20231101.en``.

    Raises:
        FileNotFoundError: If a ``.jsonl`` file does not exist.
        ImportError: If a dataset is requested and ``datasets`` is not installed.
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


def paragraphs(source: str | Path) -> Iterator[str]:
    """Yield the first paragraph of 200 to 1,200 characters of each article, deduplicated.

    Args:
        source: As for :func:`read_articles`.
    """
    seen: set[str] = set()
    for article in read_articles(source):
        of_article = article.text.split("\n")
        found = next((each for each in of_article if len(each) in _PARAGRAPH), None)
        if found is not None and found not in seen:
            seen.add(found)
            yield found


def _parse(lines: IO[str], path: Path) -> Iterator[Article]:
    for number, line in enumerate(lines, 1):
        row = json.loads(line)
        if not isinstance(row, dict) or not {"title", "text"} <= row.keys():
            raise ValueError(f"{path}:{number}: an article needs 'title' and 'text'")
        yield Article(row["title"], row["text"])


def fingerprint(sentence: str) -> str:
    """Normalize a sentence so that spacing, case and punctuation do not matter."""
    return re.sub(r"\W+", "", sentence).casefold()


class HeldOut:
    """Sentences that must not be trained on, including near-duplicates of them.

    A sentence counts as held out if it equals one of them up to spacing, case and punctuation, or
    shares ten consecutive words with one.
    """

    RUN = 10

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Hold out ``texts``."""
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
        """Whether ``sentence`` equals or overlaps a held-out one."""
        return fingerprint(sentence) in self._whole or any(
            run in self._runs for run in self._runs_of(sentence)
        )

    @classmethod
    def from_files(cls, paths: Iterable[str | Path]) -> HeldOut:
        """Read the ``text`` field of every line of JSON Lines files."""
        return cls(
            json.loads(line)["text"]
            for path in paths
            for line in Path(path).read_text(encoding="utf-8").splitlines()
        )
