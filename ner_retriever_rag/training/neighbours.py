"""Other names in a mention's own text: the hardest negatives there are, and read in the same pass.

What a sentence is about seeps into everything it mentions. To tell the mentions of one sentence
apart, a model has to see that one of them is of the type asked for and the next one is not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ner_retriever_rag.training.contexts import OPENING, EntityFinder, LowerCased, surfaces
from ner_retriever_rag.training.pairs import MentionContext, MinedEntity

_PART = r"[A-Z][\w'’.-]*\w"
_NAME = re.compile(rf"\b{_PART}(?:\s(?:(?:of|the|de|von|van)\s)?{_PART})*")
_WORD = re.compile(r"\w{3,}")
# Lists are of like kind: "Norway, Sweden and Denmark", "Tom & Jerry", "Paris (Texas)".
_JOINED = re.compile(r"[\s,;/&+()\[\]'\"–-]*(?:(?:and|or|vs\.?|versus|with)\s+)?(?:the\s+)?")
_ALIAS = re.compile(r"\b(?:as|called|named|nicknamed|née|born|formerly)\W+$")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another name in a text.

    Attributes:
        start: Its first character.
        end: One past its last.
        entity: What it names, if that was mined.
    """

    start: int
    end: int
    entity: MinedEntity | None


class Neighbours:
    """Finds the other names beside a mention."""

    def __init__(self, entities: Sequence[MinedEntity]) -> None:
        """Know the names of ``entities``.

        Raises:
            ImportError: If ``pyahocorasick`` is not installed.
        """
        self._entities = {entity.title: entity for entity in entities}
        common = LowerCased(c.text for entity in entities for c in entity.contexts)
        self._finder = EntityFinder(surfaces(self._entities, common))

    def beside(self, context: MentionContext, title: str, rng: random.Random) -> list[Neighbour]:
        """At most one known and one unknown name, neither of them the mention nor a part of it.

        Args:
            context: The mention.
            title: Of the entity it names.
            rng: Chooses among several.
        """
        text, taken = context.text, [(context.start, context.end)]
        own = set(_WORD.findall(f"{text[context.start : context.end]} {title}".lower()))
        known = []
        for found in self._finder.find(text):
            taken.append((found.start, found.end))
            if found.entity != title and _apart(found.start, found.end, taken[:1]):
                if not own & set(_WORD.findall(text[found.start : found.end].lower())):
                    entity = self._entities[found.entity]
                    known.append(Neighbour(found.start, found.end, entity))
        unknown = []
        for match in _NAME.finditer(text):
            start, end = match.span()
            if not _apart(start, end, taken) or own & set(_WORD.findall(match[0].lower())):
                continue
            opens = start == 0 or text[:start].rstrip()[-1:] in ".!?:"
            if (opens and (" " not in match[0] or match[0].split()[0] in OPENING)) or _joined(
                text, start, end, context
            ):
                continue
            unknown.append(Neighbour(start, end, None))
        return [rng.choice(found) for found in (known, unknown) if found]


def _apart(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    return all(end <= first or start >= last for first, last in spans)


def _joined(text: str, start: int, end: int, context: MentionContext) -> bool:
    """Whether a span is listed with the mention, or may be another name of the same thing."""
    between = text[end : context.start] if end <= context.start else text[context.end : start]
    later = max(start, context.start)
    return bool(_JOINED.fullmatch(between) or _ALIAS.search(text[max(0, later - 20) : later]))
