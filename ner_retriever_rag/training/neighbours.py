"""Other known names in a mention's own text: more pairs, and the hardest negatives there are.

What a sentence is about seeps into everything it mentions. Where two of its names are in one batch,
each with its own type, that does not help to tell them apart; and reading both takes one pass.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ner_retriever_rag.training.contexts import EntityFinder, LowerCased, surfaces
from ner_retriever_rag.training.mined import MentionContext, MinedEntity

_WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another name in a text, ``text[start:end]``, and what it names."""

    start: int
    end: int
    entity: MinedEntity


class Neighbours:
    """Finds the other known names beside a mention."""

    def __init__(self, entities: Sequence[MinedEntity]) -> None:
        """Know the names of ``entities``.

        Raises:
            ImportError: If ``pyahocorasick`` is not installed.
        """
        self._entities = {entity.title: entity for entity in entities}
        common = LowerCased(c.text for entity in entities for c in entity.contexts)
        self._finder = EntityFinder(surfaces(self._entities, common))

    def beside(
        self, context: MentionContext, title: str, rng: random.Random, most: int = 2
    ) -> list[Neighbour]:
        """Some of the names of a text, none of them the mention or a part of its name.

        Common nouns that have an article of their own ("guitar") are left out.

        Args:
            context: The mention.
            title: Of the entity it names.
            rng: Chooses among several.
            most: How many.
        """
        text = context.text
        own = set(_WORD.findall(f"{text[context.start : context.end]} {title}".lower()))
        names = [
            Neighbour(found.start, found.end, self._entities[found.entity])
            for found in self._finder.find(text)
            if (found.end <= context.start or found.start >= context.end)
            and not (name := text[found.start : found.end]).islower()
            and not own & set(_WORD.findall(name.lower()))
        ]
        return rng.sample(names, min(most, len(names)))
