"""Mining results: entities, their types, and the sentences that mention them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

from ner_retriever_rag.encoder.span_head import WORD
from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.reading.passage import Passage
from ner_retriever_rag.reading.text_files import open_text

CROP = 180  # characters of context around a mention


@dataclass(frozen=True, slots=True)
class MentionContext:
    """A mention in its sentence, ``text[start:end]``."""

    text: str
    start: int
    end: int
    kind: str = "other"

    def cropped(self, width: int) -> MentionContext:
        """The same mention in a context of at most about ``width`` characters, cut at words."""
        passage = Passage.around(self.text, self.start, self.end, width)
        return MentionContext(passage.text, passage.start, passage.end, self.kind)

    def perturbed(self, rng: random.Random) -> MentionContext:
        """The same mention one word too wide or too narrow, as a detector may find it."""
        words = [(word.start(), word.end()) for word in WORD.finditer(self.text)]
        inside = [span for span in words if self.start < span[1] and span[0] < self.end]
        before = [start for start, end in words if end <= self.start][-1:]
        after = [end for start, end in words if start >= self.end][:1]
        spans = [(start, self.end) for start in before] + [(self.start, end) for end in after]
        if len(inside) > 1:
            spans += [(inside[1][0], self.end), (self.start, inside[-2][1])]
        if not spans:
            return self
        start, end = rng.choice(spans)
        return replace(self, start=start, end=end)


@dataclass(frozen=True, slots=True)
class MinedEntity:
    """An entity with its types (finest grain, best first) and contexts."""

    title: str
    types: tuple[str, ...]
    contexts: tuple[MentionContext, ...]

    @property
    def heads(self) -> set[str]:
        """The head nouns of all its types."""
        return {head_noun(t) for t in self.types}

    @property
    def elsewhere(self) -> list[MentionContext]:
        """The contexts other than its definition."""
        return [context for context in self.contexts if context.kind != "definition"]

    def sample_elsewhere(self, rng: random.Random) -> MentionContext:
        """A random context from ``elsewhere``, cropped as in training."""
        return rng.choice(self.elsewhere).cropped(CROP)


def load_entities(folder: str | Path) -> list[MinedEntity]:
    """Read ``entities.jsonl.xz`` of a mined folder.

    Raises:
        FileNotFoundError: If the folder holds no mining output.
    """
    path = Path(folder) / "entities.jsonl.xz"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no mined data: run `ner-retriever train mine`")
    with open_text(path) as lines:
        rows = [json.loads(line) for line in lines]
    return [
        MinedEntity(r["title"], tuple(r["types"]), tuple(MentionContext(*c) for c in r["contexts"]))
        for r in rows
    ]
