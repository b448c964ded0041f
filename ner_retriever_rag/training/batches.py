"""Drawing the batches that a backbone is adapted on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ner_retriever_rag.encoder.backbone.windows import Tokens
from ner_retriever_rag.training.lowrank import Span
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.pairs import PairSampler, TypeQuery

_BUCKET = 16  # batches drawn together and sorted by length


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step trains on.

    Attributes:
        texts: The texts, tokenised.
        entities: One for each text.
        spans: The mention of each.
        queries: A description for each; then more that are negatives only.
    """

    texts: list[Tokens]
    entities: list[MinedEntity]
    spans: list[Span]
    queries: list[TypeQuery]


@dataclass(frozen=True, slots=True)
class BatchDrawer:
    """Draws batches; what a step gets depends on the seed and its number only.

    Attributes:
        entities: To draw from.
        weights: How often to draw each, in relation.
        sampler: Makes a sampler of pairs from a source of randomness.
        tokenize: Texts to tokens.
        batch: Texts a step.
        types: Descriptions a step, one for each text and others.
        width: Characters of context kept around a mention.
        seed: Of everything.
    """

    entities: Sequence[MinedEntity]
    weights: Sequence[float]
    sampler: Callable[[random.Random], PairSampler]
    tokenize: Callable[[Sequence[str]], list[Tokens]]
    batch: int
    types: int
    width: int
    seed: int = 0
    _drawn: dict[int, list[Batch]] = field(default_factory=dict)
    _cumulative: list[float] = field(default_factory=list)

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        chunk, place = divmod(step, _BUCKET)
        if chunk not in self._drawn:
            self._drawn.clear()
            self._drawn[chunk] = self._draw(chunk)
        return self._drawn[chunk][place]

    def _choose(self, rng: random.Random, count: int) -> list[MinedEntity]:
        if not self._cumulative:
            self._cumulative.extend(accumulate(self.weights))
        return rng.choices(self.entities, cum_weights=self._cumulative, k=count)

    def _draw(self, chunk: int) -> list[Batch]:
        """The batches of ``_BUCKET`` steps, texts of like length together."""
        rng = random.Random(f"{self.seed} {chunk}")
        draw = self.sampler(rng)
        chosen = self._choose(rng, self.batch * _BUCKET)
        contexts = [draw.context(entity).cropped(self.width) for entity in chosen]
        tokens = self.tokenize([context.text for context in contexts])
        order = sorted(range(len(chosen)), key=lambda i: len(tokens[i].ids))
        drawn = []
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            entities = [chosen[i] for i in rows]
            spans = [(row, contexts[i].start, contexts[i].end) for row, i in enumerate(rows)]
            more = self._choose(rng, max(0, self.types - len(rows)))
            queries = [draw.query(entity) for entity in [*entities, *more]]
            drawn.append(Batch([tokens[i] for i in rows], entities, spans, queries))
        rng.shuffle(drawn)
        return drawn
