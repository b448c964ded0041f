"""Sample the batches for adapting a backbone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ner_retriever_rag.encoder.backbone.windows import Tokens
from ner_retriever_rag.training.lowrank import Span
from ner_retriever_rag.training.mined import MinedEntity
from ner_retriever_rag.training.pairs import PairSampler, TypeQuery

_BUCKET = 16  # batches sampled together and sorted by length


@dataclass(frozen=True, slots=True)
class Batch:
    """The training data of one step.

    Attributes:
        texts: The tokenized texts.
        entities: The entity of each text.
        spans: The mention span of each text.
        queries: One type description per text, then extra ones that serve only as negatives.
    """

    texts: list[Tokens]
    entities: list[MinedEntity]
    spans: list[Span]
    queries: list[TypeQuery]


@dataclass(frozen=True, slots=True)
class BatchSampler:
    """Samples batches; the batch of a step depends only on the seed and the step number.

    Attributes:
        entities: Entities to sample from.
        weights: Relative sampling weight of each entity.
        sampler: Builds a pair sampler from a random generator.
        tokenize: Tokenizes texts.
        batch: Texts per step.
        types: Type descriptions per step: one per text, plus extra negatives.
        width: Characters of context kept around a mention.
        seed: Random seed.
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
        """Return the batch of a step."""
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
        """Sample the batches of ``_BUCKET`` steps, each of texts of similar length."""
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
