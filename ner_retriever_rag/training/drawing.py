"""Drawing the batches that a backbone is adapted on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ner_retriever_rag.training.lowrank import Span
from ner_retriever_rag.training.neighbours import Neighbours
from ner_retriever_rag.training.pairs import MentionContext, MinedEntity, PairSampler, Query
from ner_retriever_rag.windows import Tokens

_BUCKET = 16  # batches drawn together and sorted by length


@dataclass(slots=True)
class Batch:
    """What one step trains on.

    Attributes:
        texts: The texts, tokenised.
        spans: A mention of each entity; then those of the rivals.
        entities: One for each pair.
        queries: A description for each entity; then more that are negatives only.
        rivals: Other names of the same texts, negatives only; None where nothing is known of them.
        rival_pairs: For each rival, the numbers of the pairs of its text.
    """

    texts: list[Tokens]
    spans: list[Span] = field(default_factory=list)
    entities: list[MinedEntity] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    rivals: list[MinedEntity | None] = field(default_factory=list)
    rival_pairs: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BatchDrawer:
    """Draws batches; what a step gets depends on the seed and its number only.

    Attributes:
        entities: To draw from.
        weights: How often to draw each, in relation.
        sampler: Makes a sampler of pairs from a source of randomness.
        tokenize: Texts to tokens.
        batch: Texts a step.
        types: Descriptions a step, those of the pairs and others.
        width: Characters of context kept around a mention.
        neighbours: Finds other names in the texts; None does without them.
        seed: Of everything.
    """

    entities: Sequence[MinedEntity]
    weights: Sequence[float]
    sampler: Callable[[random.Random], PairSampler]
    tokenize: Callable[[Sequence[str]], list[Tokens]]
    batch: int
    types: int
    width: int
    neighbours: Neighbours | None = None
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
        drawn, seen = [], {entity.title for entity in chosen}
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            pairs = [(chosen[i], contexts[i]) for i in rows]
            drawn.append(self._fill(Batch([tokens[i] for i in rows]), pairs, draw, rng, seen))
        rng.shuffle(drawn)
        return drawn

    def _fill(
        self,
        batch: Batch,
        pairs: Sequence[tuple[MinedEntity, MentionContext]],
        draw: PairSampler,
        rng: random.Random,
        seen: set[str],
    ) -> Batch:
        """Add mentions, neighbours and descriptions; a known name not yet seen is a pair."""
        rivals = []
        later: list[tuple[MinedEntity, Span]] = []
        of_text: list[list[int]] = [[] for _ in pairs]
        for row, (entity, context) in enumerate(pairs):
            of_text[row].append(len(batch.entities))
            batch.entities.append(entity)
            batch.spans.append((row, context.start, context.end))
            if self.neighbours is None:
                continue
            for other in self.neighbours.beside(context, entity.title, rng):
                span = (row, other.start, other.end)
                is_name = not context.text[other.start : other.end].islower()
                if other.entity is not None and is_name and other.entity.title not in seen:
                    seen.add(other.entity.title)
                    later.append((other.entity, span))
                else:
                    rivals.append((other.entity, span))
        for entity, span in later[: self.types - len(pairs)]:
            of_text[span[0]].append(len(batch.entities))
            batch.entities.append(entity)
            batch.spans.append(span)
        batch.rivals = [entity for entity, _ in rivals]
        batch.rival_pairs = [of_text[span[0]] for _, span in rivals]
        batch.spans += [span for _, span in rivals]
        more = self._choose(rng, max(0, self.types - len(batch.entities)))
        batch.queries = [draw.query(entity) for entity in [*batch.entities, *more]]
        return batch
